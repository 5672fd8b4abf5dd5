"""Writes many slices with pauses, so that the main thread is never held for long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial

from dfqsam_core.errors import PromptError

from .worker import Job, Worker

# After this time the main thread is let go; the slice in work may take as long again.
_HOLD_SECONDS = 0.012


class Writing:
    """Takes the steps of an action that writes slices: those of one moment at once, the rest as the worker delivers.

    do: runs each turn after the first, and turns what that refuses into a message. is_going: whether there are slices
    still to be written.
    """

    def __init__(self, worker: Worker, do: Callable[[Callable[[], None]], None]) -> None:
        self._worker = worker
        self._do = do
        self.is_going = False
        self._steps: Iterator[None] = iter(())
        self._ended: Callable[[], None] = lambda: None
        self._turn: Job | None = None

    def start(self, steps: Iterator[None], ended: Callable[[], None] = lambda: None) -> None:
        """Take steps, and call `ended` after the last one. Raises what the first ones raise."""
        self._steps, self._ended = steps, ended
        self._go_on(_HOLD_SECONDS)

    def finish(self) -> None:
        """Take all steps that are left now."""
        if self.is_going:
            self._drop_turn()
            self._do(partial(self._go_on, math.inf))

    def forget(self) -> None:
        """Write no more; the scene is going away."""
        self.is_going = False
        self._drop_turn()

    def require_ended(self) -> None:
        """Raise PromptError while slices are still to be written."""
        if self.is_going:
            raise PromptError("Slices are still being written. Wait a moment, then do it again.")

    def _drop_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancelled.set()

    def _go_on(self, hold_seconds: float) -> None:
        ends = time.perf_counter() + hold_seconds
        self.is_going = False
        for _ in self._steps:
            if time.perf_counter() > ends:
                self.is_going = True
                self._turn = self._worker.later(partial(self._do, partial(self._go_on, _HOLD_SECONDS)))
                return
        self._ended()
