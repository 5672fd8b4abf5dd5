"""Files of this user that one process has to itself; its lock ends with the process, however that ends."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from .files import is_this_users

# Windows locks bytes, and nobody reads or writes those that it locked: this one no file reaches.
_LOCKED_BYTE = 2**40

# Not through a link; not blocking, as a pipe in the place of a file would keep its opener waiting.
_FLAGS = os.O_RDWR | os.O_APPEND
_FLAGS |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_alone(path: Path, is_new: bool = False) -> int:
    """Descriptor of a plain file of this user that no other process holds, for reading and appending.

    is_new: make it, for this user alone; raises FileExistsError where there is one. Raises OSError for any other file.
    """
    descriptor = os.open(path, _FLAGS | (os.O_CREAT | os.O_EXCL if is_new else 0), 0o600)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and is_this_users(status) and lock_file(descriptor):
        return descriptor
    os.close(descriptor)
    raise OSError(f"{path} is not a file of this user alone, or is in use")


def lock_file(descriptor: int) -> bool:
    """Lock an open file for this process alone, without waiting; False where another one holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
