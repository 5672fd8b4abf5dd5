"""A scribble or a lasso as the mouse draws it: the button held down on one slice, with a line that follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import LassoPrompt, PointPrompt, ScribblePrompt, VolumeGeometry
from dfqsam_core.volume.geometry import axis_index
from dfqsam_core.volume.prompts import Prompt

from .mouse_presses import MousePresses
from .outlines import RubberBand
from .place_mode import OUTSIDE, clicked_view
from .shown_volume import refuse_where_hidden
from .volume_node import ijk_from_world, view_axis, world_of_point

# Below this a hand has clicked, or trembled.
_LEAST_VOXELS = 2
_TOO_SMALL = "This lasso goes round less than 2 voxels. Hold the button down and draw around the structure."


class StrokeDrawing:
    """One stroke for a role of roles.STROKES; a scribble that is shorter than 2 voxels is a point.

    node: what Slicer's mouse mode places in; it tells of each move, and of the release. A script gives a stroke by
    adding its control points between StartModify and EndModify. drawn: hears of the prompt. presses: of the mouse.
    """

    def __init__(
        self, volume_node: Any, geometry: VolumeGeometry, node: Any, role: str, drawn: Callable[[Prompt], None]
    ) -> None:
        self.presses = MousePresses()
        self._volume_node, self._geometry, self._node, self._drawn = volume_node, geometry, node, drawn
        self._is_lasso, self._positive = role.startswith("lasso"), not role.endswith("_out")
        self._band = RubberBand(volume_node, role, is_closed=self._is_lasso)

    def placed(self) -> None:
        """The button was released: the stroke is a prompt; raises PromptError where it cannot be one."""
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
            self._drawn(self._prompt(stroke, view))

    def moved(self) -> None:
        """The mouse moved: let the line follow while the button is down."""
        self._band.show(ijk_from_world(self._volume_node, self.presses.path) if self.presses.is_drawing else None)

    def left(self) -> None:
        """The mouse has left the view; what was drawn stays to be seen."""

    @property
    def has_left_slice(self) -> bool:
        """Never: a stroke is told by the mouse when its view goes to another slice."""
        return False

    def give_up(self) -> None:
        """Take away what is drawn; the button may still be down."""
        self._node.RemoveAllControlPoints()
        self._band.show(None)

    def close(self) -> None:
        """Take the line away."""
        self._band.remove()

    def _prompt(self, path_world: np.ndarray, view: Any) -> Prompt:
        axis = self._geometry.acquisition_axis
        if view is not None:
            axis = view_axis(self._volume_node, view, path_world[0])
        path = np.rint(ijk_from_world(self._volume_node, path_world))
        # All was drawn in one view; rounding across it may differ by a slice where the view is oblique.
        path[:, axis_index(axis)] = path[0, axis_index(axis)]
        last = np.array(self._geometry.shape_ijk) - 1
        is_inside = ((path >= 0) & (path <= last)).all(axis=1)
        if not is_inside.any():
            raise PromptError(OUTSIDE)
        is_click = np.ptp(path, axis=0).max() < _LEAST_VOXELS
        if self._is_lasso:
            if is_click:
                raise PromptError(_TOO_SMALL)
            return LassoPrompt.at(self._geometry, [*np.clip(path, 0, last)], "IJK", self._positive, axis)
        path = path[is_inside]
        if is_click:
            return PointPrompt.at(self._geometry, path[-1], "IJK", self._positive, axis)
        return ScribblePrompt.at(self._geometry, [*path], "IJK", self._positive, axis)
