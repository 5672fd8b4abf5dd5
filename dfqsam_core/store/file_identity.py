"""Which file this is: its name, size and hash, and what its first bytes say."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base.inputs import require_plain_file
from ..errors import DFQSAMError

_CHUNK_BYTES = 2**20
_FIRST_BYTES = (
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x80", "a pickle"),
    (0, b"\x1f\x8b", "a gzip file, perhaps a NIfTI volume"),
    (0, b"NRRD", "an NRRD volume"),
    (0, b"ObjectType", "a MetaImage volume"),
    (128, b"DICM", "a DICOM file"),
    (344, b"n+1\x00", "a NIfTI volume"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"{", "a JSON file"),
    (0, b"<", "an XML or HTML file, perhaps the page of a failed download"),
)


@dataclass(frozen=True)
class FileSource:
    """A file as a model card names it: no folder, so that the card does not depend on the machine."""

    file_name: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: str | os.PathLike) -> FileSource:
        """Identify `path`; the hash is streamed."""
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return cls(Path(path).name, digest.hexdigest(), os.path.getsize(path))

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def refuse_missing(path: Path, error: type[DFQSAMError]) -> None:
    """Raise `error` when `path` does not exist, is not a plain file, is empty or cannot be opened."""
    require_plain_file(path, error)
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise error(f"{path.name} is empty. Get a complete copy.")
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror}. Check the permissions.") from fault


def what_is(path: Path) -> str:
    """Name the kind of file by its first bytes, for a message."""
    with open(path, "rb") as file:
        start = file.read(512)
    for place, magic, name in _FIRST_BYTES:
        if start[place : place + len(magic)] == magic:
            return name
    return "a text file" if start.isascii() and b"\0" not in start else "a file of an unknown kind"
