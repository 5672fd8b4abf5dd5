"""Keeps models in the form in which the engine runs them, so that the next start only maps their weights."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...base.bounded_folder import BoundedFolder, remove_entry
from ...base.inputs import is_ours

# A ViT-B takes 0.54 GB: the bytes as they are and as the processor wants them.
DEFAULT_MAX_BYTES = 2 * 2**30
_ENDING = ".unpacked"
_MANIFEST = "manifest.json"
_PARTIAL = ".partial-"
# Far longer than any entry takes to be written.
_ABANDONED_SECONDS = 24 * 3600
_CHUNK_BYTES = 2**20


class UnpackedCache:
    """Entries `<key>.unpacked` in `folder`, up to `max_bytes` together; any of them may be deleted at any time.

    An entry is a folder of files and a manifest of its key and of their sizes and checksums. What is a link, is
    another user's or was made for another key is no entry. Least recently used entries go first, and nothing without
    this ending is ever touched. Several programs may share a folder.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.folder = folder
        self._entries = BoundedFolder(folder, _ENDING, max_bytes, stamp=_MANIFEST)

    def find(self, key: str) -> Path | None:
        """The folder of `key`, every byte of it verified; None where there is none, or a damaged one, which goes."""
        entry = self._entries.entry(key)
        if not os.path.lexists(entry):
            return None
        if not _is_whole(entry):
            remove_entry(entry)
            return None
        self._entries.mark_used(entry)
        return entry

    def fill(self, key: str, write: Callable[[Path], None]) -> Path | None:
        """Let `write` fill an empty folder, which becomes the entry of `key`; None where this disk has no room for it.

        What else `write` raises passes through, and nothing of the entry stays.
        """
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            temporary = Path(tempfile.mkdtemp(prefix=_PARTIAL, suffix=_ENDING, dir=self.folder))
            write(temporary)
            (temporary / _MANIFEST).write_text(
                json.dumps({"key": key, "files": _manifest(temporary)}), encoding="utf-8"
            )
            return self._take_over(temporary, self._entries.entry(key))
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
        self._entries.trim(keep=entry)
        return entry

    def _remove_abandoned(self) -> None:
        """Remove what programs left that were killed while they filled an entry."""
        for path in self.folder.glob(f"{_PARTIAL}*{_ENDING}"):
            if is_ours(path) and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                remove_entry(path)


def _manifest(entry: Path) -> dict[str, tuple[int, int]]:
    """Size and CRC-32 of each file of an entry but the manifest itself."""
    files = sorted(path for path in entry.iterdir() if path.name != _MANIFEST)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {path.name: (path.stat().st_size, crc) for path, crc in zip(files, pool.map(_crc32, files), strict=True)}


def _is_whole(entry: Path) -> bool:
    try:
        if not (is_ours(entry) and all(map(is_ours, entry.iterdir()))):
            return False
        found = {name: list(facts) for name, facts in _manifest(entry).items()}
        written = json.loads((entry / _MANIFEST).read_text(encoding="utf-8"))
        return written == {"key": entry.name.removesuffix(_ENDING), "files": found}
    except (OSError, ValueError, RecursionError):
        return False


def _crc32(path: Path) -> int:
    crc, chunk = 0, memoryview(bytearray(_CHUNK_BYTES))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(chunk):
            crc = zlib.crc32(chunk[:count], crc)
    return crc
