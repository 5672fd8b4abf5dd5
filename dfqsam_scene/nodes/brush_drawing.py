"""Brush and eraser as the mouse uses them: a ring under the mouse, and while the button is down what it passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dfqsam_core.volume import VolumeGeometry
from dfqsam_core.volume.brush import Brush, BrushStroke
from dfqsam_core.volume.geometry import axis_index

from .mouse_presses import MousePresses
from .outlines import RubberBand
from .place_mode import clicked_view, view_under_mouse
from .shown_volume import refuse_where_hidden
from .slice_views import plane_of
from .volume_node import ijk_from_world, matrix_array, view_axis, world_from_ijk, world_of_point

_RING_POINTS = 48
_RING_MM = 0.4
_TRACE_OPACITY = 0.35


class BrushDrawing:
    """One stroke for a role of roles.BRUSHES, told when the button is released.

    node, presses: as StrokeDrawing has them. drawn: hears of the stroke. brush: what is painted with from now on.
    """

    def __init__(
        self, volume_node: Any, geometry: VolumeGeometry, node: Any, role: str, drawn: Callable[[BrushStroke], None]
    ) -> None:
        self.presses = MousePresses()
        self.brush = Brush()
        self._volume_node, self._geometry, self._node, self._drawn = volume_node, geometry, node, drawn
        self._erases = role == "eraser"
        self._ring = RubberBand(volume_node, role, is_closed=True)
        self._trace = RubberBand(volume_node, role, is_closed=False)

    def placed(self) -> None:
        """The button was released: the stroke is told; raises PromptError where it cannot be one."""
        view, count = clicked_view(self._node), self._node.GetNumberOfDefinedControlPoints()
        refuse_where_hidden(self._volume_node, view)
        if count == 0:
            return
        placed = np.array([world_of_point(self._node, n) for n in range(count)])
        try:
            stroke = self.presses.stroke(placed)
        finally:
            self.give_up()
        if stroke is not None:
            self._drawn(self._stroke(stroke, view))

    def moved(self) -> None:
        """The mouse moved: let the ring follow, and the trace while the button is down."""
        view, count = view_under_mouse(self._volume_node.GetScene()), self._node.GetNumberOfControlPoints()
        if view is None or count == 0:
            self._hide()
            return
        self._ring.show(self._ring_ijk(view, world_of_point(self._node, count - 1)), view, _RING_MM)
        path = ijk_from_world(self._volume_node, self.presses.path) if self.presses.is_drawing else None
        self._trace.show(path, view, self.brush.diameter_mm, _TRACE_OPACITY)

    @property
    def has_left_slice(self) -> bool:
        """Never: a stroke is told by the mouse when its view goes to another slice."""
        return False

    def left(self) -> None:
        """The mouse has left the view."""
        self._hide()

    def give_up(self) -> None:
        """Take away what is drawn; the button may still be down."""
        self._node.RemoveAllControlPoints()
        self._hide()

    def close(self) -> None:
        """Take ring and trace away."""
        self._ring.remove()
        self._trace.remove()

    def _hide(self) -> None:
        self._ring.show(None)
        self._trace.show(None)

    def _ring_ijk(self, view: Any, middle_world: np.ndarray) -> np.ndarray:
        """(N, 3) voxel positions of the circle that the brush reaches in the plane of a view."""
        angles = np.linspace(0, 2 * np.pi, _RING_POINTS, endpoint=False)
        across, up, _ = matrix_array(view.GetSliceToRAS())[:3, :3].T
        circle = np.outer(np.cos(angles), across) + np.outer(np.sin(angles), up)
        return ijk_from_world(self._volume_node, middle_world + self.brush.diameter_mm / 2 * circle)

    def _stroke(self, path_world: np.ndarray, view: Any) -> BrushStroke:
        path = ijk_from_world(self._volume_node, path_world)
        # A transform that bends is taken as straight around the place where the stroke began.
        corners = world_from_ijk(self._volume_node, path[0] + np.vstack([np.zeros(3), np.eye(3)]))
        steps = (corners[1:] - corners[0]).T
        if view is None:
            axis = self._geometry.acquisition_axis
            normal = np.linalg.inv(steps)[axis_index(axis)]
        else:
            axis = view_axis(self._volume_node, view, path_world[0])
            normal = plane_of(view)[:3]
        return BrushStroke(path, steps, normal / np.linalg.norm(normal), axis, self.brush, self._erases)
