"""A folder of things that can be made again, kept below a number of bytes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from .system.files import remove_folder


@dataclass(frozen=True)
class BoundedFolder:
    """Entries `<key><ending>` in `folder`, files or folders of files, up to `max_bytes` together.

    Least recently used entries go first, and nothing without this ending is ever touched. Several programs may share a
    folder. stamp: the file in an entry whose time tells the last use; empty where that is the entry's own.
    """

    folder: Path
    ending: str
    max_bytes: int
    stamp: str = ""

    def entry(self, key: str) -> Path:
        """Where the entry of `key` is, or would be."""
        return self.folder / f"{key}{self.ending}"

    def mark_used(self, entry: Path) -> None:
        """Remember that `entry` was used now, where the disk allows it."""
        with contextlib.suppress(OSError):
            os.utime(entry / self.stamp)

    def trim(self, keep: Path | None = None) -> None:
        """Delete the least recently used entries until the others fit; `keep` stays in any case."""
        entries = [path for path in self.folder.glob("*" + self.ending) if path != keep]
        free = self.max_bytes - (_bytes(keep) if keep else 0)
        for entry in sorted(entries, key=self._last_use, reverse=True):
            free -= _bytes(entry)
            if free < 0:
                remove_entry(entry)

    def _last_use(self, entry: Path) -> float:
        """Time of the last use; a half-written entry counts as used when it was begun."""
        for path in (entry / self.stamp, entry):
            with contextlib.suppress(OSError):
                return path.stat().st_mtime
        return 0.0


def remove_entry(entry: Path) -> None:
    """Delete a file or link, or a folder with all that is in it; whatever cannot be deleted stays."""
    if entry.is_dir() and not entry.is_symlink():
        remove_folder(entry)
    else:
        with contextlib.suppress(OSError):
            entry.unlink()


def _bytes(entry: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in (entry.iterdir() if entry.is_dir() else [entry]))
    return 0
