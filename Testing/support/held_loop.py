"""An event loop that keeps Python's lock while it idles, as Slicer's does; PySide6's own lets go of it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

# A call through PyDLL keeps the lock, which is what PythonQt does around Qt's event loop.
_C = ctypes.PyDLL(None)
TICK_MS = 30
# As the module's timer while something is worked on.
WORKING_TICK_MS = 5


def idle_holding(milliseconds: float = TICK_MS) -> None:
    """Wait for the next tick with the lock held: no other thread of Python runs meanwhile."""
    _C.usleep(int(1000 * milliseconds))


def idle_releasing(milliseconds: float = TICK_MS) -> None:
    """Wait for the next tick as PySide6's loop does."""
    time.sleep(milliseconds / 1000)


def run_loop(
    tick: Callable[[], object],
    until: Callable[[], bool],
    idle: Callable[[float], None] = idle_holding,
    milliseconds: float = TICK_MS,
) -> int:
    """Idle and tick in turn until it is so; returns the number of ticks."""
    ticks = 0
    while not until():
        idle(milliseconds)
        tick()
        ticks += 1
    return ticks
