"""Checks that a volume file makes of its own promises before any memory is taken or another file is opened."""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from ...base.inputs import refuse_special_file
from ...errors import VolumeError

# The largest volume read, in bytes as stored: a 1024 x 1024 x 1000 CT. It bounds memory whatever a header says.
MAX_VOXEL_BYTES = 2**31
# Deflate cannot shrink data more than this; a file that promises more than that is damaged or hostile.
_DEFLATE_LIMIT = 1032
_HEADER_BYTES = 2**20
_NRRD_BYTES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2,
    "int": 4, "uint": 4, "int32": 4, "uint32": 4, "float": 4, "long long": 8, "int64": 8, "uint64": 8, "double": 8,
}  # fmt: skip
_NRRD_SYNONYMS = {
    "signed char": "int8", "int8_t": "int8", "unsigned char": "uint8", "uint8_t": "uint8",
    "signed short": "int16", "short int": "int16", "signed short int": "int16", "int16_t": "int16",
    "unsigned short": "uint16", "unsigned short int": "uint16", "uint16_t": "uint16",
    "signed int": "int32", "int32_t": "int32", "unsigned int": "uint32", "uint32_t": "uint32",
    "longlong": "int64", "signed long long": "int64", "int64_t": "int64", "long long int": "int64",
    "unsigned long long": "uint64", "ulonglong": "uint64", "uint64_t": "uint64", "unsigned long long int": "uint64",
}  # fmt: skip


def check_promise(path: Path, sizes: Sequence[int], voxel_bytes: int, stored_bytes: int, compressed: bool) -> None:
    """Raise VolumeError unless `stored_bytes` of data can hold `sizes` voxels of `voxel_bytes`, and memory can too."""
    if not sizes or min(sizes) < 1:
        raise VolumeError(f"{path} gives its size as {list(sizes)}; every size must be at least 1. It is damaged.")
    needed = math.prod(sizes) * voxel_bytes
    if needed > stored_bytes * (_DEFLATE_LIMIT if compressed else 1):
        raise VolumeError(
            f"{path} promises {' x '.join(map(str, sizes))} voxels ({needed} bytes), but the file holds only "
            f"{stored_bytes} bytes of data. It is truncated or damaged; get it again."
        )
    if needed > MAX_VOXEL_BYTES:
        raise VolumeError(
            f"{path} has {' x '.join(map(str, sizes))} voxels ({needed / 2**30:.1f} GiB); up to "
            f"{MAX_VOXEL_BYTES / 2**30:.0f} GiB are read. Crop or resample it first."
        )


def check_nrrd(path: Path) -> None:
    """Raise VolumeError for a NRRD that is damaged, promises more than it holds, or keeps its data in another file."""
    header, offset = split_header(path, rb"\r?\n\r?\n")
    if not header.startswith("NRRD000"):
        raise VolumeError(f"{path} is not a NRRD file: it does not start with NRRD000.")
    lines = [line for line in header.splitlines()[1:] if not line.startswith("#") and ":=" not in line]
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "data file" in fields or "datafile" in fields:
        raise VolumeError(f"{path} keeps its voxels in another file. Save it again as one .nrrd file.")
    kind = fields.get("type", "").lower()
    voxel_bytes = _NRRD_BYTES.get(_NRRD_SYNONYMS.get(kind, kind))
    if voxel_bytes is None:
        raise VolumeError(f"{path} has voxels of the type {kind!r}, which cannot be read.")
    encoding = fields.get("encoding", "").lower()
    if encoding not in ("raw", "gzip", "gz", "ascii", "text", "txt"):
        raise VolumeError(f"{path} has the encoding {encoding!r}; raw and gzip are read. Save it again with gzip.")
    if any(fields.get(name, "0") != "0" for name in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise VolumeError(f"{path} leaves a gap before its voxels. Save it again as one .nrrd file.")
    text = encoding in ("ascii", "text", "txt")
    sizes = whole_numbers(path, fields.get("sizes", ""))
    compressed = encoding in ("gzip", "gz")
    check_promise(path, sizes, 1 if text else voxel_bytes, path.stat().st_size - offset, compressed)
    if compressed:
        # ITK reads over damage in compressed voxels; here their checksum is compared.
        inflate(path, offset, math.prod(sizes) * voxel_bytes)


def inflate(path: Path, offset: int, needed: int) -> bytes:
    """The `needed` bytes that a zlib or gzip stream from `offset` to the end of a file holds, by their checksum.

    Raises VolumeError for a stream that is damaged, or holds more or less.
    """
    # 32: either kind of stream, told by its first bytes.
    stream = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = stream.decompress(file.read(), needed + 1)
    except zlib.error as error:
        raise VolumeError(f"The compressed voxels of {path} are damaged: {error}. Get the file again.") from error
    if len(content) != needed or not stream.eof:
        raise VolumeError(f"The compressed voxels of {path} are not {needed} bytes, as its header says. It is damaged.")
    return content


def split_header(path: Path, end: bytes) -> tuple[str, int]:
    """Text of a header up to the pattern `end`, and where the data behind it begin; raises VolumeError without it."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    found = re.search(end, start)
    if found is None:
        raise VolumeError(
            f"{path} has no complete header with its voxels behind it: it is damaged, of another format, or keeps its "
            "voxels in another file. Save it again as one .nrrd or .mha file."
        )
    return start[: found.end()].decode("latin-1"), found.end()


def whole_numbers(path: Path, text: str) -> list[int]:
    """The whole numbers of a text; raises VolumeError for anything else in it."""
    try:
        return [int(part) for part in text.split()]
    except ValueError:
        raise VolumeError(f"{path} gives a size as {text[:60]!r}, not as whole numbers. The file is damaged.") from None


def check_readable(path: str | os.PathLike) -> Path:
    """Return `path` when it is a file that can be opened and is not empty; raise VolumeError otherwise."""
    source = Path(path)
    refuse_special_file(source, VolumeError)
    try:
        with source.open("rb") as file:
            if not file.read(1):
                raise VolumeError(f"{source} is empty. Get the file again.")
    except OSError as error:
        raise VolumeError(f"The volume {source} cannot be opened: {error.strerror}. Check the path.") from error
    return source
