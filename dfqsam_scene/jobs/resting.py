"""How long a tick lets go of Python's lock: long enough for the thread, short enough for the mouse."""

from __future__ import annotations

# A person waits: the thread has three quarters of the time where ticks come 5 ms apart, and more in Slicer's own loop.
_WAITED_FOR_SECONDS = 0.015
# Nobody waits: the mouse comes first. Never less: where the computer has too much to do, every rest is overrun.
_SHORT_SECONDS = 0.005
# What was asked for begins before the event loop takes the lock again, and not only with the next tick.
BEGIN_SECONDS = 0.002
# Something is about to be shown or written in the same tick.
_DELIVERY_SECONDS = 0.001
# Rest and what the thread keeps the lock for beyond it; a tick that delivers something has its own work besides.
_TICK_SECONDS = 0.022
# What a piece of work overran by is forgotten in some dozen ticks: pieces of a kind follow each other.
_KEPT = 0.9


class Rest:
    """Chooses the next rest by what the last ones overran: some work of the thread keeps the lock for long.

    Making an engine's session keeps it for about 10 ms, reading a file or running a graph for hardly any.
    """

    def __init__(self) -> None:
        self._overrun = 0.0

    def seconds(self, is_waited_for: bool, is_deliverable: bool) -> float:
        """How long to rest now. is_waited_for: somebody waits for what is worked on; is_deliverable: for a tick."""
        if is_deliverable:
            return _DELIVERY_SECONDS
        longest = _WAITED_FOR_SECONDS if is_waited_for else _SHORT_SECONDS
        return max(_SHORT_SECONDS, min(longest, _TICK_SECONDS - self._overrun))

    def note(self, asked_seconds: float, took_seconds: float) -> None:
        """Remember how long a rest took until the lock was there again."""
        self._overrun = max(took_seconds - asked_seconds, _KEPT * self._overrun)
