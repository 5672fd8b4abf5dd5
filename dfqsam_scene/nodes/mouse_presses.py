"""What the left mouse button does in a slice view: Slicer's markups tell of its release only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dfqsam_core.errors import PromptError

from .slice_views import plane_of

# A hand that clicks moves the mouse a little.
_DRAG_PIXELS = 5
# Before the widgets of markups, which place a point when the button is released.
_FIRST = 10.0
_TORN = "The view went to another slice while you drew. Draw on one slice."


class MousePresses:
    """Tells whether what the mouse does now is a drag, where in the world it began, and its way.

    is_given_up: whether the right button, or `give_up`, has ended the drag before its release. is_torn: whether the
    view went to another slice meanwhile.
    """

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []
        self._start: tuple[Any, Any, tuple[int, int]] | None = None
        self._path: list[np.ndarray] = []
        self._plane = np.zeros(4)
        self._is_down = False
        self.is_given_up = self.is_torn = False

    def watch(self, views: Iterable[tuple[Any, Any]]) -> None:
        """Follow the mouse in these views, (vtkMRMLSliceNode, vtkRenderWindowInteractor) each, and in no others."""
        self.close()
        for slice_node, interactor in views:

            def pressed(*_: Any, view: Any = slice_node, source: Any = interactor) -> None:
                self._press(view, source)

            def moved(*_: Any, source: Any = interactor) -> None:
                self._move(source)

            self._observe(interactor, "LeftButtonPressEvent", pressed)
            self._observe(interactor, "MouseMoveEvent", moved)
            self._observe(interactor, "LeftButtonReleaseEvent", self._released)
            self._observe(interactor, "RightButtonPressEvent", lambda *_: self.give_up())

    @property
    def is_down(self) -> bool:
        """True where the button is held down in a slice view."""
        return self._is_down

    @property
    def path(self) -> np.ndarray:
        """(N, 3) RAS: where the mouse was from its press on, until `forget`; none where no view was watched."""
        return np.array(self._path).reshape(-1, 3)

    @property
    def is_drawing(self) -> bool:
        """True while the button is down and its drag may still become a stroke."""
        return self._is_down and not self.is_torn and not self.is_given_up

    def stroke(self, placed: np.ndarray) -> np.ndarray | None:
        """The stroke that has just ended, (N, 3) RAS, and is forgotten; None where it was given up.

        placed: (M, 3) RAS of the control points that Slicer placed, all of the stroke where no view was watched.
        Raises PromptError where the view went to another slice meanwhile.
        """
        path, is_given_up, is_torn = self.path, self.is_given_up, self.is_torn
        self.forget()
        if is_given_up:
            return None
        if is_torn:
            raise PromptError(_TORN)
        return np.concatenate([path, placed[-1:]]) if len(path) else placed

    def drag_start(self) -> np.ndarray | None:
        """(3,) RAS where the drag began that goes on or has just ended; None where the mouse has hardly moved."""
        if self._start is None:
            return None
        _, interactor, pixel = self._start
        if np.abs(np.subtract(interactor.GetEventPosition(), pixel)).max() < _DRAG_PIXELS:
            return None
        return self._path[0]

    def give_up(self) -> None:
        """Let the drag in progress place nothing, although the button is still down."""
        self.is_given_up = self._is_down
        self._start, self._path = None, []

    def forget(self) -> None:
        """Forget the last drag: it has been used."""
        self._start, self._path, self._is_down, self.is_given_up = None, [], False, False

    def close(self) -> None:
        """Stop listening."""
        for interactor, tag in self._tags:
            interactor.RemoveObserver(tag)
        self._tags = []
        self.forget()

    def _press(self, view: Any, interactor: Any) -> None:
        self._start, self._is_down = (view, interactor, interactor.GetEventPosition()), True
        self._path, self._plane = [_world(view, interactor)], plane_of(view)
        self.is_given_up = self.is_torn = False

    def _move(self, interactor: Any) -> None:
        if self._start is None or not self._is_down or interactor is not self._start[1]:
            return
        if not np.allclose(plane_of(self._start[0]), self._plane):
            self.is_torn = True
        self._path.append(_world(self._start[0], interactor))

    def _released(self, *_: Any) -> None:
        self._is_down = False

    def _observe(self, interactor: Any, event: str, react: Any) -> None:
        self._tags.append((interactor, interactor.AddObserver(event, react, _FIRST)))


def _world(slice_node: Any, interactor: Any) -> np.ndarray:
    """(3,) RAS of the pixel that the mouse is on."""
    return np.array(slice_node.GetXYToRAS().MultiplyPoint((*interactor.GetEventPosition(), 0.0, 1.0))[:3])
