"""Keeps models in the form in which the engine runs them, so that the next start only maps their weights."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...base.system.files import remove_folder

# A ViT-B takes 0.54 GB: the bytes as they are and as the processor wants them.
DEFAULT_MAX_BYTES = 2 * 2**30
_ENDING = ".unpacked"
_MANIFEST = "manifest.json"
_CHUNK_BYTES = 2**20


class UnpackedCache:
    """Entries `<key>.unpacked` in `folder`, up to `max_bytes` together; any of them may be deleted at any time.

    An entry is a folder of files and a manifest of their sizes and checksums. Least recently used entries go first,
    and nothing without this ending is ever touched. Several programs may share a folder.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    def find(self, key: str) -> Path | None:
        """The folder of `key`, every byte of it verified; None where there is none, or a damaged one, which goes."""
        entry = self._entry(key)
        if not entry.is_dir():
            return None
        if not _is_whole(entry):
            remove_folder(entry)
            return None
        with contextlib.suppress(OSError):
            os.utime(entry / _MANIFEST)
        return entry

    def fill(self, key: str, write: Callable[[Path], None]) -> Path | None:
        """Let `write` fill an empty folder, which becomes the entry of `key`; None where this disk has no room for it.

        What else `write` raises passes through, and nothing of the entry stays.
        """
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".partial-", suffix=_ENDING, dir=self.folder))
            write(temporary)
            (temporary / _MANIFEST).write_text(json.dumps(_manifest(temporary)), encoding="utf-8")
            return self._take_over(temporary, self._entry(key))
        except OSError:
            return None
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)

    def _take_over(self, temporary: Path, entry: Path) -> Path | None:
        try:
            os.replace(temporary, entry)
        except OSError:
            # Another program was faster, and its entry serves as well.
            return self.find(entry.name.removesuffix(_ENDING))
        self._trim(keep=entry)
        return entry

    def _entry(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"

    def _trim(self, keep: Path) -> None:
        entries = [path for path in self.folder.glob("*" + _ENDING) if path.is_dir() and path != keep]
        free = self.max_bytes - _bytes(keep)
        for entry in sorted(entries, key=_last_use, reverse=True):
            free -= _bytes(entry)
            if free < 0:
                remove_folder(entry)


def _manifest(entry: Path) -> dict[str, tuple[int, int]]:
    """Size and CRC-32 of each file of an entry but the manifest itself."""
    files = sorted(path for path in entry.iterdir() if path.name != _MANIFEST)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {path.name: (path.stat().st_size, crc) for path, crc in zip(files, pool.map(_crc32, files), strict=True)}


def _is_whole(entry: Path) -> bool:
    try:
        expected = json.loads((entry / _MANIFEST).read_text(encoding="utf-8"))
        return expected == {name: list(found) for name, found in _manifest(entry).items()}
    except (OSError, ValueError):
        return False


def _crc32(path: Path) -> int:
    crc, chunk = 0, memoryview(bytearray(_CHUNK_BYTES))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(chunk):
            crc = zlib.crc32(chunk[:count], crc)
    return crc


def _bytes(entry: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in entry.iterdir())
    return 0


def _last_use(entry: Path) -> float:
    """Time of the last use; a half-written entry counts as used when it was begun."""
    for path in (entry / _MANIFEST, entry):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0
