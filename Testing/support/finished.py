"""Waiting for something that happens elsewhere.

The limits only end what hangs: on a busy machine anything may take long, and no test is about how long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 300.0


def wait_for(
    is_true: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    pause: Callable[[], object] = lambda: time.sleep(0.02),
) -> None:
    """Ask again and again until it is so; fails when it does not come true in time."""
    ends = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends, "it did not happen in time"
        pause()


def settle(worker: Any, tick: Callable[[], object]) -> None:
    """Tick as a panel's timer does until a dfqsam_scene.jobs.worker.Worker has nothing left to do or to deliver."""

    def is_idle() -> bool:
        tick()
        return not worker.is_busy

    wait_for(is_idle, pause=lambda: worker.wait(0.05))
