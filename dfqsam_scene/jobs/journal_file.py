"""One file that grows while somebody works: whoever is killed leaves all of it but the batch in hand."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dfqsam_core.base.system.locks import open_alone
from dfqsam_core.errors import OutputError

Key = tuple[Any, ...]
Entries = dict[Key, Any]

_MAGIC = b"dfqsam journal 1\n"
# Bytes and CRC-32 of the batch that follows.
_HEAD = struct.Struct("<II")
_LARGEST_BATCH, LARGEST_FILE = 2**26, 2**28


class JournalFile:
    """Entries by key, appended in batches; of equal keys the last one counts, and None takes a key away.

    The file is this user's alone, and locked as long as it is open: a lock ends with the process that holds it.
    size: bytes that hold whole batches.
    """

    def __init__(self, path: Path, entries: Entries, size: int, descriptor: int) -> None:
        self.path, self.entries_at_start, self.size = path, entries, size
        self._descriptor: int | None = descriptor

    @classmethod
    def create(cls, path: Path) -> JournalFile:
        """Make a new file; raises OSError where that cannot be."""
        descriptor = open_alone(path, is_new=True)
        journal = cls(path, {}, 0, descriptor)
        journal._write(_MAGIC)
        return journal

    @classmethod
    def take(cls, path: Path) -> JournalFile | None:
        """Open a file that nobody else has open, without the batch that was in hand; None for any other."""
        try:
            descriptor = open_alone(path)
        except OSError:
            return None
        with contextlib.suppress(OSError):
            is_small = os.fstat(descriptor).st_size <= LARGEST_FILE + _LARGEST_BATCH
            found = _read(descriptor) if is_small else None
            if found is not None:
                os.ftruncate(descriptor, found[1])
                return cls(path, *found, descriptor)
        os.close(descriptor)
        return None

    def append(self, entries: Iterable[tuple[Key, Any]]) -> None:
        """Add a batch, which counts as a whole or not at all; raises OutputError where it cannot be written."""
        batch = zlib.compress(json.dumps(list(entries), allow_nan=False).encode(), 1)
        if self.size + len(batch) > LARGEST_FILE or len(batch) > _LARGEST_BATCH:
            raise OutputError(f"This work takes more than {LARGEST_FILE >> 20} MB and is not kept further. Save it.")
        self._write(_HEAD.pack(len(batch), zlib.crc32(batch)) + batch)

    def read(self) -> Entries:
        """All entries, in the order in which they were written last."""
        found = None if self._descriptor is None else _read(self._descriptor)
        return {} if found is None else found[0]

    def close(self) -> None:
        """Let go of the file; it stays. Calling it again does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def delete(self) -> None:
        """Remove the file."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            return
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            # What follows half a batch could never be read.
            os.ftruncate(self._descriptor, self.size)
            raise OutputError(
                f"Work cannot be kept in {self.path.parent}: {error.strerror}. Free some space."
            ) from error
        self.size += len(data)


def _read(descriptor: int) -> tuple[Entries, int] | None:
    """Entries and the bytes they take; None for a file that is no journal."""
    data = memoryview(_content(descriptor))
    if data[: len(_MAGIC)] != _MAGIC:
        return None
    entries: Entries = {}
    place = len(_MAGIC)
    while len(data) - place >= _HEAD.size:
        size, checksum = _HEAD.unpack_from(data, place)
        batch = data[place + _HEAD.size :][:size]
        found = _batch(batch) if len(batch) == size and zlib.crc32(batch) == checksum else None
        if found is None:
            break
        for key, value in found:
            entries.pop(key, None)
            if value is not None:
                entries[key] = value
        place += _HEAD.size + size
    return entries, place


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts = []
    while part := os.read(descriptor, 2**22):
        parts.append(part)
    return b"".join(parts)


def _batch(packed: memoryview) -> list[tuple[Key, Any]] | None:
    """The entries of a batch; None for one that is none, whatever its checksum says."""
    try:
        text = zlib.decompressobj().decompress(packed, 4 * _LARGEST_BATCH)
        return [(tuple(key), value) for key, value in json.loads(text) if hash(tuple(key)) is not None]
    except (ValueError, TypeError, RecursionError, zlib.error):
        return None
