"""Processors that this process may use, as each system tells it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

_TOPOLOGY = Path("/sys/devices/system/cpu")
_TWO_THREADS_A_CORE = ("x86_64", "amd64", "i386", "i686")


def allowed_processors(system: Any = os) -> frozenset[int]:
    """Numbers of the logical processors that this process may use, never empty; all of them where it is not told.

    system: the module `os`, or one that knows what another system's knows.
    """
    if hasattr(system, "sched_getaffinity"):
        return frozenset(system.sched_getaffinity(0))
    # From Python 3.13 on, which also hears of -X cpu_count and PYTHON_CPU_COUNT.
    count = system.process_cpu_count() if hasattr(system, "process_cpu_count") else system.cpu_count()
    return frozenset(range(count or 1))


def physical_cores(system: Any = os, architecture: str | None = None, topology: Path = _TOPOLOGY) -> int:
    """Physical cores that this process may use, at least 1; the second thread of a core does not speed products up."""
    allowed = allowed_processors(system)
    if topology.is_dir():
        return len({_siblings(topology, number) for number in allowed})
    # Half of too few is only slower, twice as many fight for their cores.
    is_halved = (architecture or platform.machine()).lower() in _TWO_THREADS_A_CORE
    return max(1, len(allowed) // 2) if is_halved else len(allowed)


def load_average(system: Any = os) -> float:
    """Processes that wanted a core in the last minute, on average; 0 where the system does not tell (Windows)."""
    return float(system.getloadavg()[0]) if hasattr(system, "getloadavg") else 0.0


def _siblings(topology: Path, number: int) -> str:
    try:
        return (topology / f"cpu{number}" / "topology" / "thread_siblings_list").read_text(encoding="utf-8")
    except OSError:
        return str(number)
