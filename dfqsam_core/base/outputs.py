"""The one writer: results are written beside their place, settled on the disk, measured, and only then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .system.files import replace_file
from .system.names import fault_of_name

# What a share answers that knows no such call; the file itself is as good as elsewhere.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM}


def refuse_overwrite(path: str | os.PathLike, force: bool) -> Path:
    """Return `path` when it may be written, which is tried: a file is made beside it and removed.

    Raises OutputError when it exists and `force` is not set, when it is not a plain file, when its folder is missing or
    read-only, or when its name is too long for the file system or one that the system takes for something else.
    """
    target = Path(path)
    if (fault := fault_of_name(target.name)) is not None:
        raise OutputError(f"The name of the output {target} {fault}. Choose another name.")
    if target.is_dir():
        raise OutputError(f"The output {target} is a folder. Give the name of a file to write.")
    # A link to nothing is there, too.
    if os.path.lexists(target):
        if not force:
            raise OutputError(f"The output {target} exists already. Choose another name, or add --force to replace it.")
        if not target.is_file():
            raise OutputError(
                f"The output {target} is a device or a link to nothing. Give the name of a file to write."
            )
    if not target.parent.is_dir():
        raise OutputError(f"The folder {target.parent} does not exist. Create it first, or choose another output.")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"The folder {target.parent} is read-only for this user. Choose another output.")
    _temporary(target).unlink()
    return target


@contextlib.contextmanager
def atomic_output(
    path: str | os.PathLike, force: bool = False, check: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """Yield a temporary path with the same ending in the same folder; it becomes `path` when the block succeeds.

    The file must be there with something in it, and the system must have it on the disk, before it gets its name.
    check: raises OutputError unless the file it is given is the whole result, read back.
    Raises OutputError for an existing file (unless `force`), a read-only folder or a full disk; the temporary
    file is removed on any failure and an existing `path` stays as it was.
    """
    target = refuse_overwrite(path, force)
    temporary = _temporary(target)
    permissions = temporary.stat().st_mode
    try:
        yield temporary
        _settle(temporary, permissions)
        if check is not None:
            check(temporary)
        replace_file(temporary, target)
        _settle_folder(target.parent)
    except OSError as error:
        raise OutputError(
            f"Writing {target} failed: {error.strerror or error}. Free some space or choose another output."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str, force: bool = False) -> None:
    """Write a text in UTF-8, as `atomic_output` does.

    Bytes of a file name in another character set are no text; they become escapes, which JSON reads back.
    """
    with atomic_output(path, force) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | os.PathLike, value: Any, force: bool = False) -> None:
    """Write `value` as indented JSON; numbers that JSON lacks (NaN, infinities) become null."""
    write_text(path, json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n", force)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _temporary(target: Path) -> Path:
    """A new, empty file beside `target`, made here and not by tempfile: it gets the permissions of any new file."""
    temporary = target.with_name(f".partial-{secrets.token_hex(4)}-{target.name}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(f"Cannot write into {target.parent}: {error.strerror}. Choose another output.") from error
    return temporary


def _settle(temporary: Path, permissions: int) -> None:
    """Bring a written file onto the disk, where a full one is noticed at last; raises OSError."""
    # safetensors makes a file of its own in this place, for this user alone; a share may refuse to change that.
    with contextlib.suppress(OSError):
        temporary.chmod(permissions)
    with temporary.open("rb+") as file:
        size = _sync(file.fileno())
    if size == 0:
        raise OSError(errno.EIO, "nothing was written")


def _sync(descriptor: int) -> int:
    """Bytes of an open plain file, once they are on the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _settle_folder(folder: Path) -> None:
    """Bring a new name onto the disk, where the system can; the file has its place by now, whatever comes of it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
