"""Results are written beside their place and renamed, so that nothing half-written is ever seen."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import OutputError


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
    temporary = target.with_name(f".partial-{secrets.token_hex(4)}-{target.name}")
    try:
        # Made here and not by tempfile, so that it gets the permissions of any new file.
        temporary.touch(exist_ok=False)
        permissions = temporary.stat().st_mode
    except OSError as error:
        raise OutputError(f"Cannot write into {target.parent}: {error.strerror}. Choose another output.") from error
    try:
        yield temporary
        # safetensors makes a file of its own in this place, for this user alone.
        temporary.chmod(permissions)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"Writing {target} failed: {error.strerror or error}. Free some space or choose another output."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, value: Any, force: bool = False) -> None:
    """Write `value` as indented JSON; numbers that JSON lacks (NaN, infinities) become null."""
    with atomic_output(path, force) as temporary:
        temporary.write_text(json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
