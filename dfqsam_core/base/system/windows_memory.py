"""Memory on Windows. kernel: the system's kernel32, by default; a test's stand-in elsewhere."""

from __future__ import annotations

import ctypes
from typing import Any

from .windows_api import kernel32


class ProcessMemory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 6),
    )


class MachineMemory(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 6),
    )


def peak_memory_bytes(kernel: Any = None) -> int | None:
    """Largest working set of this process so far; None where Windows refuses to tell."""
    memory = _process(kernel or kernel32())
    return None if memory is None else int(memory.peak_working_set)


def resident_memory_bytes(kernel: Any = None) -> int | None:
    """Working set of this process now; None where Windows refuses to tell."""
    memory = _process(kernel or kernel32())
    return None if memory is None else int(memory.working_set)


def physical_memory_bytes(kernel: Any = None) -> int | None:
    """Memory of the machine; None where Windows refuses to tell."""
    memory = MachineMemory(size=ctypes.sizeof(MachineMemory))
    if not (kernel or kernel32()).GlobalMemoryStatusEx(ctypes.byref(memory)):
        return None
    return int(memory.total_physical)


def _process(kernel: Any) -> ProcessMemory | None:
    memory = ProcessMemory(size=ctypes.sizeof(ProcessMemory))
    # A handle, not an int: as an int it would lose its upper half.
    this_process = ctypes.c_void_p(-1)
    return memory if kernel.K32GetProcessMemoryInfo(this_process, ctypes.byref(memory), memory.size) else None
