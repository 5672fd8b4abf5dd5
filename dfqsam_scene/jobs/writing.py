"""Writes many slices with pauses, so that the main thread is never held for long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from dfqsam_core.errors import PromptError

from .worker import Job, Worker

# After this time the main thread is let go; the slice in work may take as long again.
_HOLD_SECONDS = 0.02


class Writing:
    """Takes the steps of an action that writes slices: those of one moment at once, the rest as the worker delivers.

    do: runs each turn after the first, and turns what that refuses into a message.
    """

    def __init__(self, worker: Worker, do: Callable[[Callable[[], None]], None]) -> None:
        self._worker = worker
        self._do = do
        self._left: tuple[Iterator[None], Callable[[], None]] | None = None
        self._turn: Job | None = None

    @property
    def is_going(self) -> bool:
        """Whether there are slices still to be written."""
        return self._left is not None

    def start(self, steps: Iterator[None], ended: Callable[[], None] = lambda: None) -> None:
        """Take steps, and call `ended` after the last one. Raises what the first ones raise."""
        self._go_on(steps, ended, _HOLD_SECONDS)

    def finish(self) -> None:
        """Take all steps that are left now."""
        if self._left is not None and self._turn is not None:
            self._turn.cancelled.set()
            steps, ended = self._left
            self._do(lambda: self._go_on(steps, ended, math.inf))

    def forget(self) -> None:
        """Write no more; the scene is going away."""
        self._left = None
        if self._turn is not None:
            self._turn.cancelled.set()

    def require_ended(self) -> None:
        """Raise PromptError while slices are still to be written."""
        if self.is_going:
            raise PromptError("Slices are still being written. Wait a moment, then do it again.")

    def _go_on(self, steps: Iterator[None], ended: Callable[[], None], hold_seconds: float) -> None:
        ends = time.perf_counter() + hold_seconds
        self._left = None
        for _ in steps:
            if time.perf_counter() > ends:
                self._left = steps, ended
                # Comes back with the next delivery, after the main thread did other things.
                self._turn = self._worker.submit(
                    Job(lambda _: None, lambda _: self._do(lambda: self._go_on(steps, ended, _HOLD_SECONDS)))
                )
                return
        ended()
