"""The timer that calls a panel's tick: only the main thread may touch scene and widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Slicer's loop keeps Python's lock while it idles: a thread of ours gets its turns in our ticks, which then come often.
_TICK_MS, _TICK_WHILE_WORKING_MS = 30, 5


def new_timer(tick: Callable[[], object]) -> Any:
    """A qt.QTimer that calls `tick`; it is not started yet."""
    import qt

    timer = qt.QTimer()
    timer.setInterval(_TICK_MS)
    timer.connect("timeout()", tick)
    return timer


def set_pace(timer: Any, is_working: bool) -> None:
    """Let a timer come soon while something is worked on."""
    interval = _TICK_WHILE_WORKING_MS if is_working else _TICK_MS
    # A timer that is set begins its interval anew.
    if timer.interval != interval:
        timer.setInterval(interval)


def tick_panels(segment: Any, model: Any) -> bool:
    """Let both panels do what is due, None for one that is not there; returns whether something is worked on."""
    # One rest in a tick serves the threads of both.
    has_rested = segment is not None and segment.room.is_working
    is_working = [segment is not None and segment.tick(), model is not None and model.tick(has_rested)]
    return any(is_working)
