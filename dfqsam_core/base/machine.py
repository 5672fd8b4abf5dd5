"""What this computer is and what this process takes of it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import platform
import sys
from pathlib import Path

from ..errors import ConfigError

_CPU_INFO = Path("/proc/cpuinfo")
# Of control groups, version 2 and version 1; "max" where there is none.
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# From the widest integer products to the narrowest, by their names in /proc/cpuinfo.
_INSTRUCTION_SETS = {
    "amx_int8": "AMX-INT8",
    "avx512_vnni": "AVX512-VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512bw": "AVX512",
    "avx2": "AVX2",
    "i8mm": "NEON I8MM",
    "asimddp": "NEON dot product",
}


def physical_cores() -> int:
    """Physical cores that this process may use, at least 1; the second thread of a core does not speed products up."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len({_siblings(cpu) for cpu in os.sched_getaffinity(0)}))
    logical = os.cpu_count() or 1
    # Macs run one thread a core; elsewhere two is the rule, and half of too few is only slower.
    return logical if sys.platform == "darwin" else max(1, logical // 2)


def usable_cores() -> int:
    """Cores that this process may use, the second threads of physical ones, too."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(threads: int | None) -> int:
    """`threads`, or one for each usable core where that is None. Raises ConfigError below 1."""
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot work. Give a number from 1, or none for all cores.")
    return threads or usable_cores()


def cpu_name() -> str:
    """Name of the processor as the system knows it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def instruction_set() -> str:
    """The best instruction set for integer products; the bare architecture where the system does not list them."""
    flags = (_cpu_info("flags") or _cpu_info("Features")).split()
    return next((name for flag, name in _INSTRUCTION_SETS.items() if flag in flags), platform.machine())


def cpu_fingerprint() -> str:
    """What tells this kind of processor from others, as far as the system says it; for the keys of caches."""
    flags = _cpu_info("flags") or _cpu_info("Features")
    return f"{platform.machine()} {cpu_name()} {flags}"


def load_average() -> float:
    """Processes that wanted a core in the last minute, on average; 0 where the system does not tell (Windows)."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def peak_memory_bytes() -> int | None:
    """Largest resident memory of this process so far; None where the system does not tell (Windows)."""
    with contextlib.suppress(OSError, StopIteration):
        # Not getrusage, where Linux counts what the process that started this one had.
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def physical_memory_bytes() -> int | None:
    """Memory that this process can have at most: the machine's, or less where a container or `ulimit` says so.

    None where the system does not tell (Windows).
    """
    with contextlib.suppress(ImportError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        return min(
            (found for found in (limit, _machine_memory_bytes()) if found is not None and found > 0), default=None
        )
    return _machine_memory_bytes()


@functools.cache
def _machine_memory_bytes() -> int | None:
    limits = []
    with contextlib.suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(path.read_text()))
    return min((limit for limit in limits if limit > 0), default=None)


def resident_memory_bytes() -> int | None:
    """Resident memory of this process now; None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def release_memory() -> None:
    """Give memory that is no longer used back to the operating system, where the C library can."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _siblings(cpu: int) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(cpu)


def _cpu_info(key: str) -> str:
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == key), "")
