"""MetaImage volumes (.mha), read and written here: ITK crashes on damaged headers and takes damaged data for good."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ...errors import VolumeError
from ..geometry import VolumeGeometry
from ..volume import Volume
from .headers import check_memory, check_promise, inflate, read_bytes, split_header, whole_numbers
from .voxel_types import native_voxels

SUFFIXES = (".mha",)
_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


def read_metaimage(path: Path) -> Volume:
    """Read a .mha file that holds one real number per voxel; raises VolumeError for anything else."""
    fields, offset = _header(path)
    sizes, dtype = _sizes(path, fields), _dtype(path, fields)
    read = inflate if _flag(path, fields, "CompressedData") else read_bytes
    content = read(path, offset, math.prod(sizes) * dtype.itemsize)
    shape = (*sizes, 1)[:3]
    voxels = native_voxels(np.frombuffer(content, dtype).reshape(shape[::-1]))
    return Volume(voxels, _geometry(path, fields, len(sizes), shape), source=str(path))


def metaimage_data_bytes(path: Path) -> int:
    """Bytes of all voxels of a .mha file, uncompressed; raises VolumeError where the file cannot hold them."""
    fields, _ = _header(path)
    return math.prod(_sizes(path, fields)) * _dtype(path, fields).itemsize


def metaimage_bytes(array_kji: np.ndarray, geometry: VolumeGeometry) -> bytes:
    """A compressed .mha of unsigned whole numbers (K, J, I) on a grid; the same input gives the same bytes."""
    little = array_kji.astype(array_kji.dtype.newbyteorder("<"), copy=False)
    data = zlib.compress(np.ascontiguousarray(little).data)
    lps = np.diag([-1.0, -1.0, 1.0])
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        "CompressedDataSize": str(len(data)),
        "TransformMatrix": _text((lps @ geometry.directions_ras).T.ravel()),
        "Offset": _text(lps @ geometry.ijk_to_ras[:3, 3]),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": _text(geometry.spacing_mm),
        "DimSize": " ".join(map(str, geometry.shape_ijk)),
        "ElementType": "MET_UCHAR" if array_kji.dtype.itemsize == 1 else "MET_USHORT",
        "ElementDataFile": "LOCAL",
    }
    return "".join(f"{name} = {value}\n" for name, value in fields.items()).encode() + data


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields whose promises the file can hold, and where its voxels begin, in bytes."""
    header, offset = split_header(path, rb"ElementDataFile\s*=\s*LOCAL[ \t]*\r?\n")
    fields = _fields(path, header)
    sizes, dtype = _sizes(path, fields), _dtype(path, fields)
    compressed = _flag(path, fields, "CompressedData")
    check_promise(path, sizes, dtype.itemsize, path.stat().st_size - offset, compressed)
    check_memory(path, sizes, dtype)
    return fields, offset


def _text(numbers: Iterable[float]) -> str:
    return " ".join(repr(float(number)) for number in numbers)


def _fields(path: Path, header: str) -> dict[str, str]:
    """Fields of a header that no program could end at another line: MetaIO stops at the first word of this name."""
    if header.lower().count("elementdatafile") != 1 or "\r" in header.replace("\r\n", "\n") or "\0" in header:
        raise VolumeError(f"{path} names its voxels twice, and they may be in another file. Save it again as one .mha.")
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in header.split("\n"))}


def _sizes(path: Path, fields: Mapping[str, str]) -> tuple[int, ...]:
    sizes = tuple(whole_numbers(path, fields.get("DimSize", "")))
    if len(sizes) not in (2, 3) or [len(sizes)] != whole_numbers(path, fields.get("NDims", "")):
        raise VolumeError(f"{path} has {fields.get('NDims')!r} dimensions of the sizes {sizes}; a volume has 3.")
    channels = fields.get("ElementNumberOfChannels", "1")
    if channels != "1":
        raise VolumeError(f"{path} has {channels} values per voxel; one real number is needed.")
    return sizes


def _dtype(path: Path, fields: Mapping[str, str]) -> np.dtype:
    kind = _TYPES.get(fields.get("ElementType", ""))
    if kind is None or "HeaderSize" in fields or not _flag(path, fields, "BinaryData", default=True):
        raise VolumeError(f"{path} has voxels of the type {fields.get('ElementType')!r} or as text. Save it again.")
    big = _flag(path, fields, "BinaryDataByteOrderMSB") or _flag(path, fields, "ElementByteOrderMSB")
    return np.dtype((">" if big else "<") + kind)


def _flag(path: Path, fields: Mapping[str, str], name: str, default: bool = False) -> bool:
    text = fields.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise VolumeError(f"{path} has {name} = {text[:60]!r}, neither True nor False. The file is damaged.")
    return text == "true"


def _geometry(path: Path, fields: Mapping[str, str], rank: int, shape_ijk: tuple[int, ...]) -> VolumeGeometry:
    """Grid by the format's own words: positions are LPS, a row of TransformMatrix is the direction of one axis."""
    directions, spacing, origin = np.eye(3), np.ones(3), np.zeros(3)
    one = [1.0] * rank
    identity = np.eye(rank).ravel().tolist()
    matrix = _numbers(path, fields, ("TransformMatrix", "Rotation", "Orientation"), identity)
    directions[:rank, :rank] = np.reshape(matrix, (rank, rank)).T
    spacing[:rank] = _numbers(path, fields, ("ElementSpacing", "ElementSize"), one)
    origin[:rank] = _numbers(path, fields, ("Offset", "Position", "Origin"), [0.0] * rank)
    lengths = np.linalg.norm(directions, axis=0)
    if spacing.min() <= 0 or not np.allclose(lengths, 1, atol=1e-3):
        raise VolumeError(
            f"{path} has the spacing {spacing.tolist()} and directions of the lengths {lengths.tolist()}."
        )
    ijk_to_lps = np.eye(4)
    ijk_to_lps[:3, :3], ijk_to_lps[:3, 3] = directions / lengths * spacing, origin
    i, j, k = shape_ijk
    return VolumeGeometry(np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_lps, (i, j, k))


def _numbers(path: Path, fields: Mapping[str, str], names: tuple[str, ...], default: list[float]) -> list[float]:
    """The first of the synonyms that is there, as finite numbers as many as `default` has."""
    text = next((fields[name] for name in names if name in fields), None)
    if text is None:
        return default
    try:
        numbers = [float(part) for part in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != len(default) or not np.isfinite(numbers).all():
        raise VolumeError(f"{path} has {names[0]} = {text[:60]!r}; {len(default)} finite numbers are needed.")
    return numbers
