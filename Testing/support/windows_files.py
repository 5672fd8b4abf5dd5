"""Files as on Windows: what this process has open or mapped cannot be replaced, renamed or deleted.

Windows lets some of it pass, depending on how a file was opened; here nothing passes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_NUMBERS, _MAPS = Path("/proc/self/fd"), Path("/proc/self/maps")
CAN_TELL = _MAPS.is_file() and _NUMBERS.is_dir()


def in_use() -> set[Path]:
    """Regular files that this process has open or mapped."""
    mapped = (line.split(maxsplit=5) for line in _MAPS.read_text(encoding="utf-8").splitlines())
    names = [fields[5].removesuffix(" (deleted)") for fields in mapped if len(fields) == 6]
    for number in os.listdir(_NUMBERS):
        if os.path.lexists(_NUMBERS / number):
            names.append(os.readlink(_NUMBERS / number))
    return {Path(name) for name in names if name.startswith("/") and os.path.isfile(name)}


def refuse_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `os.replace`, `os.rename`, `os.remove` and `os.unlink` refuse as Windows does; needs `CAN_TELL`."""
    for name in ("replace", "rename", "remove", "unlink"):
        monkeypatch.setattr(os, name, _refusing(getattr(os, name)))


def _refusing(act: Callable[..., None]) -> Callable[..., None]:
    def refusing(*paths: Any, dir_fd: int | None = None, **options: Any) -> None:
        folder = Path.cwd() if dir_fd is None else Path(os.readlink(_NUMBERS / str(dir_fd)))
        used = in_use()
        for path in paths:
            place = Path(os.path.abspath(folder / os.fspath(path)))
            if any(file == place or place in file.parents for file in used):
                raise PermissionError(13, "The process cannot access the file, it is being used", str(path))
        act(*paths, **(options if dir_fd is None else {**options, "dir_fd": dir_fd}))

    return refusing
