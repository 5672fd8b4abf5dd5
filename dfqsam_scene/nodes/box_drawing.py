"""A box as the mouse draws it: by a drag or by two clicks, on one slice, with a rectangle that follows the mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, VolumeGeometry
from dfqsam_core.volume.geometry import axis_index

from .mouse_presses import MousePresses
from .outlines import RubberBand, corners_ijk
from .place_mode import OUTSIDE, clicked_view, view_under_mouse
from .shown_volume import refuse_where_hidden
from .slice_views import plane_of
from .volume_node import ijk_from_world, view_axis, world_of_point

_SAME_PLANE_MM = 1e-3


class BoxDrawing:
    """The corners of one box as control points of a line node, until there are two.

    drawn: called with the finished box. presses: of the mouse; without it a box has two clicks. role: whose line
    follows the mouse.
    """

    def __init__(
        self,
        volume_node: Any,
        geometry: VolumeGeometry,
        node: Any,
        drawn: Callable[[BoxPrompt], None],
        role: str = "box",
    ) -> None:
        self.presses = MousePresses()
        self._volume_node, self._geometry, self._node, self._drawn = volume_node, geometry, node, drawn
        self._band = RubberBand(volume_node, role, is_closed=role == "box")
        # View and plane of the first corner.
        self._plane: tuple[Any, np.ndarray] | None = None

    def placed(self) -> None:
        """A corner was placed: finish the box, or wait for the other corner; raises PromptError for no box."""
        refuse_where_hidden(self._volume_node, clicked_view(self._node))
        count = self._node.GetNumberOfDefinedControlPoints()
        if count == 0:
            return
        start, here, is_given_up = self.presses.drag_start(), self._plane_under_mouse(), self.presses.is_given_up
        self.presses.forget()
        if is_given_up:
            self.give_up()
            return
        last = world_of_point(self._node, count - 1)
        if count == 1 and start is not None:
            self._finish(start, last)
        elif count > 1 and _is_same(self._plane, here):
            self._finish(world_of_point(self._node, 0), last)
        else:
            if count > 1:
                # The first one is on a slice that the mouse has left.
                self._node.RemoveNthControlPoint(0)
            self._plane = here

    def moved(self) -> None:
        """The mouse moved: let the rectangle follow, where there is a first corner."""
        defined, count = self._node.GetNumberOfDefinedControlPoints(), self._node.GetNumberOfControlPoints()
        first = None
        if 0 < defined < count:
            first = world_of_point(self._node, 0)
        elif count > defined and self.presses.is_down:
            first = self.presses.drag_start()
        last = None if first is None else world_of_point(self._node, count - 1)
        self._band.show(None if first is None or last is None else self._outline_ijk(first, last))

    def left(self) -> None:
        """The mouse has left the view; what was begun stays to be seen."""

    @property
    def has_left_slice(self) -> bool:
        """True where there is a corner whose slice its view does not show any more."""
        return self._plane is not None and not _is_same(self._plane, (self._plane[0], plane_of(self._plane[0])))

    def give_up(self) -> None:
        """Take away the first corner of a box that nobody will finish; the next box begins with a corner of its own."""
        self._plane = None
        self._node.RemoveAllControlPoints()
        self._band.show(None)

    def close(self) -> None:
        """Take the rectangle away."""
        self._band.remove()

    def _finish(self, first_world: np.ndarray, last_world: np.ndarray) -> None:
        self.give_up()
        axis, corners = self._corners(first_world, last_world)
        try:
            box = BoxPrompt.at(self._geometry, (corners[0], corners[1]), "IJK", axis)
        except PromptError as error:
            raise PromptError(OUTSIDE) from error
        box.refuse_small()
        self._drawn(box)

    def _outline_ijk(self, first_world: np.ndarray, last_world: np.ndarray) -> np.ndarray:
        """(N, 3) voxel positions of the line that follows the mouse."""
        axis, corners = self._corners(first_world, last_world)
        inside = np.clip(np.rint(corners), 0, np.array(self._geometry.shape_ijk) - 1).astype(int).tolist()
        return corners_ijk(BoxPrompt.from_corners(tuple(inside[0]), tuple(inside[1]), axis))

    def _corners(self, first_world: np.ndarray, last_world: np.ndarray) -> tuple[str, np.ndarray]:
        """Axis, and the two corners in voxel positions on one slice."""
        view = view_under_mouse(self._volume_node.GetScene())
        axis = self._geometry.acquisition_axis if view is None else view_axis(self._volume_node, view, last_world)
        corners = self._ijk(np.stack([first_world, last_world]))
        # Both were on one view; rounding across it may differ by a slice where the view is oblique.
        normal = axis_index(axis)
        corners[0, normal] = corners[1, normal]
        return axis, corners

    def _ijk(self, points_world: np.ndarray) -> np.ndarray:
        return ijk_from_world(self._volume_node, points_world)

    def _plane_under_mouse(self) -> tuple[Any, np.ndarray] | None:
        view = view_under_mouse(self._volume_node.GetScene())
        return None if view is None else (view, plane_of(view))


def _is_same(first: tuple[Any, np.ndarray] | None, second: tuple[Any, np.ndarray] | None) -> bool:
    if first is None or second is None:
        return first is second
    return first[0] is second[0] and bool(np.abs(first[1] - second[1]).max() < _SAME_PLANE_MM)
