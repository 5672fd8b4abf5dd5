"""Memory of this process and of the machine, as each system tells it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys

if sys.platform == "win32":
    from .windows_memory import peak_memory_bytes, physical_memory_bytes, resident_memory_bytes
else:
    from .posix_memory import peak_memory_bytes, physical_memory_bytes, resident_memory_bytes

__all__ = ["keep_freed_memory", "peak_memory_bytes", "physical_memory_bytes", "release_memory", "resident_memory_bytes"]

# What dask sets for its workers, if nobody sets anything else.
_DASK_TRIM_THRESHOLD = "65536"
# Of malloc.h, and the most that glibc takes for the second.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _KEPT_BYTES = -1, -3, 2**25


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
