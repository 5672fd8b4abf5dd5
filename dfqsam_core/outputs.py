"""Results are written beside their place and renamed, so that nothing half-written is ever seen."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError


def refuse_overwrite(path: str | os.PathLike, force: bool) -> Path:
    """Return `path` when it may be written.

    Raises OutputError when it exists and `force` is not set, or when its folder is missing or read-only.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"The output {target} is a folder. Give the name of a file to write.")
    if target.exists() and not force:
        raise OutputError(f"The output {target} exists already. Choose another name, or add --force to replace it.")
    if not target.parent.is_dir():
        raise OutputError(f"The folder {target.parent} does not exist. Create it first, or choose another output.")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"The folder {target.parent} is read-only for this user. Choose another output.")
    return target


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike, force: bool = False) -> Iterator[Path]:
    """Yield a temporary path with the same ending in the same folder; it becomes `path` when the block succeeds.

    Raises OutputError for an existing file (unless `force`), a read-only folder or a full disk; the temporary
    file is removed on any failure and an existing `path` stays as it was.
    """
    target = refuse_overwrite(path, force)
    try:
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix="-" + target.name, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"Cannot write into {target.parent}: {error.strerror}. Choose another output.") from error
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"Writing {target} failed: {error.strerror or error}. Free some space or choose another output."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
