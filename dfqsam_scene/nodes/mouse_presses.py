"""Where the left mouse button went down in a slice view: Slicer's markups tell of its release only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

# A hand that clicks moves the mouse a little.
_DRAG_PIXELS = 5
# Before the widgets of markups, which place a point when the button is released.
_FIRST = 10.0


class MousePresses:
    """Tells whether what the mouse does now is a drag, and where in the world it began."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []
        self._start: tuple[Any, Any, tuple[int, int]] | None = None
        self._is_down = False

    def watch(self, views: Iterable[tuple[Any, Any]]) -> None:
        """Follow the mouse in these views, (vtkMRMLSliceNode, vtkRenderWindowInteractor) each, and in no others."""
        self.close()
        for slice_node, interactor in views:

            def pressed(*_: Any, view: Any = slice_node, source: Any = interactor) -> None:
                self._start, self._is_down = (view, source, source.GetEventPosition()), True

            self._observe(interactor, "LeftButtonPressEvent", pressed)
            self._observe(interactor, "LeftButtonReleaseEvent", self._released)

    @property
    def is_down(self) -> bool:
        """Whether the button is held down in a slice view."""
        return self._is_down

    def drag_start(self) -> np.ndarray | None:
        """(3,) RAS where the drag began that goes on or has just ended; None where the mouse has hardly moved."""
        if self._start is None:
            return None
        slice_node, interactor, pixel = self._start
        if np.abs(np.subtract(interactor.GetEventPosition(), pixel)).max() < _DRAG_PIXELS:
            return None
        return np.array(slice_node.GetXYToRAS().MultiplyPoint((*pixel, 0.0, 1.0))[:3])

    def forget(self) -> None:
        """What was dragged has been used."""
        self._start, self._is_down = None, False

    def close(self) -> None:
        """Stop listening."""
        for interactor, tag in self._tags:
            interactor.RemoveObserver(tag)
        self._tags = []
        self.forget()

    def _released(self, *_: Any) -> None:
        self._is_down = False

    def _observe(self, interactor: Any, event: str, react: Any) -> None:
        self._tags.append((interactor, interactor.AddObserver(event, react, _FIRST)))
