"""Tools that change no segment: a ruler's two ends, by a drag or two clicks, and the place all views shall show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import VolumeGeometry

from .box_drawing import BoxDrawing
from .mouse_presses import MousePresses
from .place_mode import clicked_view
from .shown_volume import refuse_where_hidden
from .volume_node import world_of_point

_LEAST_MM = 0.1


class RulerDrawing(BoxDrawing):
    """Its two ends are placed as the corners of a box are; measured: hears of them, (3,) world mm each."""

    def __init__(
        self,
        volume_node: Any,
        geometry: VolumeGeometry,
        node: Any,
        measured: Callable[[np.ndarray, np.ndarray], None],
    ) -> None:
        super().__init__(volume_node, geometry, node, lambda box: None, "ruler")
        self._measured = measured

    def _finish(self, first_world: np.ndarray, last_world: np.ndarray) -> None:
        self.give_up()
        if np.linalg.norm(last_world - first_world) < _LEAST_MM:
            raise PromptError("Both ends of this ruler are at one place. Drag from one end to the other.")
        self._measured(first_world, last_world)

    def _outline_ijk(self, first_world: np.ndarray, last_world: np.ndarray) -> np.ndarray:
        return self._ijk(np.stack([first_world, last_world]))


class PlaceDrawing:
    """One click; located: hears of its place, (3,) world mm."""

    def __init__(self, volume_node: Any, node: Any, located: Callable[[np.ndarray], None]) -> None:
        self.presses = MousePresses()
        self._volume_node, self._node, self._located = volume_node, node, located

    def placed(self) -> None:
        """The button was released."""
        refuse_where_hidden(self._volume_node, clicked_view(self._node))
        count = self._node.GetNumberOfDefinedControlPoints()
        if count == 0:
            return
        position, is_given_up = world_of_point(self._node, count - 1), self.presses.is_given_up
        self.presses.forget()
        self.give_up()
        if not is_given_up:
            self._located(position)

    def moved(self) -> None:
        """Nothing follows the mouse."""

    def left(self) -> None:
        """Nothing to be taken away."""

    @property
    def has_left_slice(self) -> bool:
        """Never: it is one click."""
        return False

    def give_up(self) -> None:
        """Take away what the mouse has placed."""
        self._node.RemoveAllControlPoints()

    def close(self) -> None:
        """Nothing is left behind."""
