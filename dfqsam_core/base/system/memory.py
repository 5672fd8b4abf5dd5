"""Memory of this process and of the machine, as each system tells it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator

if sys.platform == "win32":
    from .windows_memory import peak_memory_bytes, physical_memory_bytes, resident_memory_bytes
else:
    from .posix_memory import peak_memory_bytes, physical_memory_bytes, resident_memory_bytes

__all__ = [
    "freed_memory_kept",
    "keep_freed_memory",
    "peak_memory_bytes",
    "physical_memory_bytes",
    "release_memory",
    "resident_memory_bytes",
]

# What dask sets for its workers, if nobody sets anything else.
_DASK_TRIM_THRESHOLD = "65536"
# Of malloc.h, and the most that glibc takes for the third.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _KEPT_BYTES = -1, -2, -3, -4, 2**25
# What each is kept at for long work, and what glibc begins with.
_LONG_WORK = {_M_MMAP_MAX: (0, 65536), _M_TRIM_THRESHOLD: (2**31 - 1, 2**17), _M_TOP_PAD: (2**26, 2**17)}


def release_memory() -> None:
    """Give memory that is no longer used back to the operating system, where the C library can (Linux)."""
    # Only what is young: a whole collection keeps Python's lock, and in 3D Slicer the mouse, for a tenth of a second.
    gc.collect(1)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def keep_freed_memory() -> None:
    """Let this process keep what it frees for its next slice, where it is a dask worker (Linux).

    dask has glibc give all memory back at once; every buffer of every slice is then asked for anew, which makes a slice
    take half again its time (docs/measured/many_slices.md).
    """
    if sys.platform == "linux" and os.environ.get("MALLOC_TRIM_THRESHOLD_") == _DASK_TRIM_THRESHOLD:
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
            libc.mallopt(_M_TRIM_THRESHOLD, 4 * _KEPT_BYTES)


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let this process keep what it frees in long work with large arrays, unless somebody set it otherwise (Linux).

    glibc asks the system for each large array anew, whose pages are then cleared one by one.
    """
    is_set = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if not is_set:
        _set_allocator(0)
    try:
        yield
    finally:
        if not is_set:
            _set_allocator(1)
            release_memory()


def _set_allocator(number: int) -> None:
    """Set glibc's allocator to the values of that number in `_LONG_WORK`; elsewhere nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, values in _LONG_WORK.items():
            libc.mallopt(parameter, values[number])
