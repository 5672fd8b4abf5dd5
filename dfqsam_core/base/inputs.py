"""What may be opened to read: plain files. A pipe would be waited for, a device never ends."""

from __future__ import annotations

import os
import reprlib
import stat
from pathlib import Path
from typing import Any

from ..errors import DFQSAMError
from .system.files import is_this_users

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = 80


def is_plain_file(path: str | os.PathLike) -> bool:
    """Return whether `path` is, or links to, a plain file; False for what is absent or cannot be looked at."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def require_plain_file(path: Path, error: type[DFQSAMError]) -> Path:
    """Return `path`; raise `error` when it is absent or no plain file: a folder, a device, a pipe."""
    if path.is_dir():
        raise error(f"{path} is a folder. Choose a file in it.")
    if not os.path.lexists(path):
        raise error(f"{path} does not exist. Check the name.")
    if not is_plain_file(path):
        raise error(f"{path} is not an ordinary file but a device, a pipe or a link to nothing. Choose another.")
    return path


def refuse_special_file(path: Path, error: type[DFQSAMError]) -> None:
    """Raise `error` for a device, a pipe or a socket; what else is wrong shows when the file is opened."""
    if path.exists() and not path.is_dir() and not is_plain_file(path):
        raise error(f"{path} is not an ordinary file but a device or a pipe. Choose a file on a disk.")


def is_ours(path: str | os.PathLike) -> bool:
    """Return whether `path` is a plain file or folder, no link, that this user owns and nobody else may change."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return False
    return is_this_users(status)


def shown(value: Any) -> str:
    """`value` of a file for a message: short whatever it holds, also where it is nested or holds itself."""
    try:
        text = _SHORT.repr(value)
    except ValueError:
        # Python writes no integer of thousands of digits.
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= 120 else f"{text[:117]}..."
