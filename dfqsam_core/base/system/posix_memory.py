"""Memory on Linux and macOS."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import sys
from pathlib import Path

assert sys.platform != "win32"

_STATUS, _PAGES = Path("/proc/self/status"), Path("/proc/self/statm")
# Of control groups, version 2 and version 1; "max" where there is none.
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# Of `getrusage`: macOS counts bytes, everybody else KiB.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


def peak_memory_bytes() -> int | None:
    """Largest resident memory of this process so far."""
    with contextlib.suppress(OSError, StopIteration):
        # Not getrusage, where Linux counts what the process that started this one had.
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT


def resident_memory_bytes() -> int | None:
    """Resident memory of this process now; None on macOS, which does not tell."""
    try:
        return int(_PAGES.read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def physical_memory_bytes() -> int | None:
    """Memory that this process can have at most: the machine's, or less where a container or `ulimit` says so."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), resource.getrlimit(resource.RLIMIT_AS)[0]]
    return min((limit for limit in (*limits, *_told(_CONTAINER_LIMITS)) if limit > 0), default=None)


@functools.cache
def _told(paths: tuple[Path, ...]) -> tuple[int, ...]:
    """Numbers that these files of the system hold; a process keeps its limits, so they are read once."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text(encoding="utf-8")))
    return tuple(found)
