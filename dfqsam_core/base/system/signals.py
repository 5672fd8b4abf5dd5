"""Signals that ask a program to end."""

from __future__ import annotations

import signal
from types import ModuleType

# Windows knows no SIGHUP, and it alone knows SIGBREAK: Ctrl-Break, which also reaches a child in a group of its own.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def stop_signals(system: ModuleType = signal) -> tuple[int, ...]:
    """Those of this system; not SIGHUP where it is ignored, as `nohup` wants it.

    system: the module `signal`, or one that knows what another system knows.
    """
    found = [getattr(system, name) for name in _NAMES if hasattr(system, name)]
    return tuple(
        number
        for number in found
        if number != getattr(system, "SIGHUP", None) or system.getsignal(number) != system.SIG_IGN
    )
