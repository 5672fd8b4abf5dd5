"""The header of a NRRD file, line by line as teem takes it, the library behind ITK and 3D Slicer.

Only what both understand alike gets past: no line can be one thing here and another thing there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import VolumeError
from .headers import check_memory, check_promise, split_header, whole_numbers

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_DTYPES = {name: code for code, names in _TYPES.items() for name in names} | {"char": "i1"}
_NAMES = (
    "content", "number", "type", "block size", "dimension", "space", "space dimension", "sizes", "spacings",
    "thicknesses", "axis mins", "axis maxs", "space directions", "centers", "centerings", "kinds", "labels",
    "units", "min", "max", "old min", "old max", "endian", "encoding", "line skip", "byte skip", "sample units",
    "space units", "space origin", "measurement frame", "data file",
)  # fmt: skip
# A blank in a name may be left out.
_FIELDS = {name: name for name in _NAMES} | {name.replace(" ", ""): name for name in _NAMES}
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "ascii": "text", "text": "text", "txt": "text"}
_DOMAIN_KINDS = {"", "domain", "space", "time", "none", "???"}


@dataclass(frozen=True)
class NrrdHeader:
    """path: the file. fields: known fields by name, in small letters. offset: where its voxels begin, in bytes."""

    path: Path
    fields: dict[str, str]
    offset: int

    @cached_property
    def sizes(self) -> list[int]:
        """Number of samples along each axis, the fastest one first."""
        sizes = whole_numbers(self.path, self.fields.get("sizes", ""))
        if [len(sizes)] != whole_numbers(self.path, self.fields.get("dimension", "")):
            raise VolumeError(f"{self.path} has {len(sizes)} sizes and another dimension. The file is damaged.")
        return sizes

    @cached_property
    def encoding(self) -> str:
        """ "raw", "gzip" or "text"; raises VolumeError for another one."""
        written = self.fields.get("encoding", "").lower()
        if written not in _ENCODINGS:
            found = f"{self.path} has the encoding {written[:60]!r}"
            raise VolumeError(f"{found}; raw and gzip are read. Save it again with gzip.")
        return _ENCODINGS[written]

    @cached_property
    def dtype(self) -> np.dtype:
        """Type of a sample, in the file's byte order; raises VolumeError where one of both is missing or unknown."""
        kind = self.fields.get("type", "").lower()
        if kind not in _DTYPES:
            raise VolumeError(f"{self.path} has voxels of the type {kind[:60]!r}, which cannot be read.")
        order = {"little": "<", "big": ">"}.get(self.fields.get("endian", "").lower(), "=")
        dtype = np.dtype(order + _DTYPES[kind])
        if order == "=" and dtype.itemsize > 1 and self.encoding != "text":
            raise VolumeError(f"{self.path} has no byte order (endian: little or big). The file is damaged.")
        return dtype

    @cached_property
    def domain(self) -> list[int]:
        """The axes that lie in space or time; others hold several values per voxel."""
        kinds = self.fields.get("kinds", "").lower().split() or [""] * len(self.sizes)
        if len(kinds) != len(self.sizes):
            raise VolumeError(f"{self.path} has {len(kinds)} kinds of {len(self.sizes)} axes. The file is damaged.")
        return [axis for axis, kind in enumerate(kinds) if kind in _DOMAIN_KINDS]

    @property
    def data_bytes(self) -> int:
        """Bytes of all samples, uncompressed."""
        return math.prod(self.sizes) * self.dtype.itemsize


def read_nrrd_header(path: Path) -> NrrdHeader:
    """Header of a .nrrd file whose promises the file can hold.

    Raises VolumeError for a line that is no field, comment or key:=value pair, a field that is doubled, data in another
    file or behind a gap, and for more voxels than the file has bytes for or are read.
    """
    text, offset = split_header(path, rb"\r?\n\r?\n")
    lines = text.replace("\r\n", "\n").split("\n")
    if not re.fullmatch(r"NRRD000[1-6]", lines[0]):
        raise VolumeError(f"{path} is not a NRRD file: it does not start with NRRD0001 to NRRD0006.")
    if re.search(r"[\0\r]", "".join(lines)):
        raise VolumeError(f"{path} has characters in its header that end a line here and there. The file is damaged.")
    header = NrrdHeader(path, _fields(path, lines[1:]), offset)
    if "data file" in header.fields:
        raise VolumeError(f"{path} keeps its voxels in another file. Save it again as one .nrrd file.")
    if any(header.fields.get(name, "0").strip() != "0" for name in ("line skip", "byte skip")):
        raise VolumeError(f"{path} leaves a gap before its voxels. Save it again as one .nrrd file.")
    sample_bytes = 1 if header.encoding == "text" else header.dtype.itemsize
    check_promise(path, header.sizes, sample_bytes, path.stat().st_size - offset, header.encoding == "gzip")
    check_memory(path, header.sizes, header.dtype)
    return header


def _fields(path: Path, lines: list[str]) -> dict[str, str]:
    """Known fields, in teem's order: a comment, else what stands before the first ": ", else a key:=value pair."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        before, colon, value = line.partition(": ")
        name = _FIELDS.get(before.lower()) if colon else None
        if name is None and ":=" not in before:
            raise VolumeError(f"{path} has a header line that is not a field: {line[:60]!r}. The file is damaged.")
        if name in fields:
            raise VolumeError(f"{path} gives {name!r} twice in its header. The file is damaged.")
        if name is not None:
            fields[name] = value.strip()
    return fields
