"""How many cores there are to work on, and how many threads work on them."""

from __future__ import annotations

import os

from ..errors import ConfigError


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(threads: int | None) -> int:
    """`threads`, or one for each usable core where that is None. Raises ConfigError below 1."""
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot work. Give a number from 1, or none for all cores.")
    return threads or usable_cores()
