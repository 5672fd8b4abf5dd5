"""Embeds the neighbours of the visible slice in the background, so that the next click finds them ready."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ..slices import SliceKey
from .slice_predictor import SlicePredictor


def outwards(center: SliceKey, size: int, reach: int, before: SliceKey | None = None) -> list[SliceKey]:
    """The slices around `center`, nearest first, at most `reach` away and inside a stack of `size` slices.

    before: the slice looked at before; all slices ahead of a move along one axis come before those behind it.
    """
    move = center.index - before.index if before is not None and before.axis == center.axis else 0
    steps = sorted(range(-reach, reach + 1), key=lambda step: (step * move < 0, abs(step), -step))
    return [SliceKey(center.axis, center.index + step) for step in steps if step and 0 <= center.index + step < size]


class Prefetcher:
    """One background thread that embeds slices in the order asked for, into the cache of a SlicePredictor.

    slices: a predictor of its own (not the session's, which a click uses at the same time) with the session's cache.
    A new request replaces the old one after the slice in work; so does `pause`, which a click calls first.
    An error in the background ends the thread; the next `request`, `pause` or `wait` raises it.
    """

    def __init__(self, slices: SlicePredictor) -> None:
        self._slices = slices
        self._wanted: list[SliceKey] = []
        self._busy = False
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="dfqsam-prefetch", daemon=True)
        self._thread.start()

    def request(self, keys: Iterable[SliceKey]) -> None:
        """Embed `keys`, first ones first, instead of what was asked for before."""
        with self._changed:
            self._raise_error()
            self._wanted = list(keys)
            self._changed.notify_all()

    def pause(self) -> None:
        """Forget what was asked for; the slice in work is finished, and no other is begun."""
        self.request(())

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until nothing is wanted or in work; False when the time ran out first."""
        with self._changed:
            done = self._changed.wait_for(self._is_settled, timeout_seconds)
            self._raise_error()
            return done

    def close(self, wait: bool = True) -> None:
        """End the thread after the slice in work, and `wait` for that; calling it again does nothing."""
        with self._changed:
            self._closed, self._wanted = True, []
            self._changed.notify_all()
        if wait:
            self._thread.join()

    def _is_settled(self) -> bool:
        return self._error is not None or not (self._wanted or self._busy)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while (key := self._next()) is not None:
                self._slices.embed(key)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who alone can tell a person
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next(self) -> SliceKey | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._wanted)
            if self._closed:
                return None
            self._busy = True
            return self._wanted.pop(0)
