"""A viewer for many tests, one after the other: each finds the page as the first one did, or there is a failure."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from .viewer import Person, ViewerProcess

# Only a test that leaves something behind waits so long, and fails.
_LIMIT_SECONDS = 60.0
# The browser does not blend each pixel of an edge in the same way again.
_SEEN_LEVELS, _MOST_PIXELS = 24, 20


class SharedViewer:
    """The viewer and somebody at its page; begin: starts both, with a volume of that path."""

    def __init__(self, begin: Callable[[], tuple[ViewerProcess, Person]], volume: str) -> None:
        self._begin, self._volume = begin, volume
        self._used: tuple[ViewerProcess, Person] | None = None
        self._values: dict[str, Any] = {}
        self._looks: np.ndarray | None = None

    def person(self) -> Person:
        """Somebody at the page as it is at first."""
        if self._used is None:
            self._used = self._begin()
            person = self._used[1]
            self._open_anew(person)
            self._looks = steady_looks(person)
            self._values = values(person)
        person = self._used[1]
        person.requests.clear()
        person.errors.clear()
        return person

    def put_back(self) -> None:
        """Leave nothing of a test; one that changed what opening the volume anew does not put back fails."""
        assert self._used is not None
        person = self._used[1]
        try:
            self._open_anew(person)
            person.wait_until(lambda: self._is_as_at_first(person), _LIMIT_SECONDS)
        except AssertionError:
            now = values(person)
            left = {name: now[name] for name in now if now[name] != self._values.get(name)}
            self.close()
            raise AssertionError(
                f"This test does not leave the shared viewer as it was: {left or 'the page looks different'}"
            ) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the viewer; the next test gets another one."""
        if self._used is not None:
            viewer, person = self._used
            self._used = None
            person.page.context.close()
            viewer.stop()

    def _open_anew(self, person: Person) -> None:
        """The mouse goes over the same place before, whose value the page goes on to show."""
        person.do("close dialog")
        person.do("by hand", False)
        person.page.evaluate("document.activeElement.blur()")
        person.page.mouse.move(*person.point_of("axial", 0.5, 0.5))
        person.catch_up()
        person.page.mouse.move(0, 0)
        before = person.state("segments")
        person.do("open")
        person.do("open path", self._volume)
        person.wait_until(lambda: not ids(person.state("segments")) & ids(before) and person.state("segments"))
        person.wait_until_idle()

    def _is_as_at_first(self, person: Person) -> bool:
        if person.state("offer"):
            person.do("discard work")
        person.do("close dialog")
        if values(person) != self._values:
            return False
        changed = np.abs(looks(person) - self._looks).max(axis=2) > _SEEN_LEVELS
        return bool(changed.sum() <= _MOST_PIXELS)


def ids(segments: list[dict[str, Any]]) -> set[str]:
    """By which the viewer knows segments."""
    return {segment["id"] for segment in segments}


def values(person: Person) -> dict[str, Any]:
    """All values of the page, but for those that count and those that are drawn by lot."""
    found = dict(person.page.evaluate("trame.state.state"))
    del found["answered"], found["trame__busy"]
    found["segments"] = [segment | {"id": ""} for segment in found["segments"]]
    return found


def looks(person: Person) -> np.ndarray:
    """(H, W, 3) int: what the whole page shows."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(person.page.screenshot())).convert("RGB")).astype(int)


def steady_looks(person: Person) -> np.ndarray:
    """What the whole page shows when it has not changed for a second."""
    seen = [looks(person)]

    def is_steady() -> bool:
        person.page.wait_for_timeout(1000)
        seen.append(looks(person))
        return np.array_equal(*seen[-2:])

    person.wait_until(is_steady)
    return seen[-1]
