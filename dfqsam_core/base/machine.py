"""What this computer is and what this process takes of it."""

from __future__ import annotations

import platform
from pathlib import Path

from ..errors import ConfigError
from .system.memory import (
    freed_memory_kept,
    keep_freed_memory,
    peak_memory_bytes,
    physical_memory_bytes,
    release_memory,
    resident_memory_bytes,
)
from .system.processors import allowed_processors, load_average, physical_cores

__all__ = [
    "cpu_fingerprint",
    "cpu_name",
    "freed_memory_kept",
    "instruction_set",
    "keep_freed_memory",
    "load_average",
    "peak_memory_bytes",
    "physical_cores",
    "physical_memory_bytes",
    "release_memory",
    "resident_memory_bytes",
    "usable_cores",
    "worker_count",
]

_CPU_INFO = Path("/proc/cpuinfo")
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


def usable_cores() -> int:
    """Cores that this process may use, the second threads of physical ones, too."""
    return len(allowed_processors())


def worker_count(threads: int | None) -> int:
    """`threads`, or one for each usable core where that is None. Raises ConfigError below 1."""
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads cannot work. Give 1 or more, or none for all cores.")
    return threads or usable_cores()


def cpu_name() -> str:
    """Name of the processor as the system knows it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def instruction_set() -> str:
    """The best instruction set for integer products; the bare architecture where the system does not list them."""
    flags = (_cpu_info("flags") or _cpu_info("Features")).split()
    return next((name for flag, name in _INSTRUCTION_SETS.items() if flag in flags), platform.machine())


def cpu_fingerprint() -> str:
    """Return what tells this kind of processor from others, as far as the system says it; for the keys of caches."""
    flags = _cpu_info("flags") or _cpu_info("Features")
    return f"{platform.machine()} {cpu_name()} {flags}"


def _cpu_info(key: str) -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == key), "")
