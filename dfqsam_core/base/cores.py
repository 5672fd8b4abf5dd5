"""How many cores there are to work on, and how many threads work on them."""

from __future__ import annotations

from ..errors import ConfigError
from .system.processors import allowed_processors


def usable_cores() -> int:
    """Cores this process may use."""
    return len(allowed_processors())


def worker_count(threads: int | None) -> int:
    """`threads`, or one for each usable core where that is None. Raises ConfigError below 1."""
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot work. Give a number from 1, or none for all cores.")
    return threads or usable_cores()
