"""Memory of this process and of the machine, as each system tells it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

if sys.platform == "win32":
    from .windows_memory import peak_memory_bytes, physical_memory_bytes, resident_memory_bytes
else:
    from .posix_memory import peak_memory_bytes, physical_memory_bytes, resident_memory_bytes

__all__ = ["peak_memory_bytes", "physical_memory_bytes", "release_memory", "resident_memory_bytes"]


def release_memory() -> None:
    """Give memory that is no longer used back to the operating system, where the C library can (Linux)."""
    # Only what is young: a whole collection keeps Python's lock, and in 3D Slicer the mouse, for a tenth of a second.
    gc.collect(1)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
