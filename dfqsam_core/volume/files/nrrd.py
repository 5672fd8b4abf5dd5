"""NRRD volumes (.nrrd), read and written here: a library's reader would open whatever file a header names."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...base.memory import require_memory
from ...errors import VolumeError
from ..geometry import VolumeGeometry
from ..volume import Volume
from .headers import inflate, read_bytes
from .nrrd_header import NrrdHeader, read_nrrd_header
from .nrrd_place import ijk_to_ras, unit_notes
from .voxel_types import native_voxels

SUFFIXES = (".nrrd",)
# Samples as text take fifty times their memory while they are parsed.
_MAX_TEXT_SAMPLES, _TEXT_SAMPLE_BYTES = 2**24, 100


def read_nrrd(path: Path) -> Volume:
    """Read a .nrrd file that holds one real number per voxel, where ITK places it; raises VolumeError for another."""
    header = read_nrrd_header(path)
    sizes = [header.sizes[axis] for axis in header.domain]
    values = int(np.prod(header.sizes, dtype=np.int64)) // int(np.prod(sizes, dtype=np.int64))
    if values != 1:
        raise VolumeError(f"{path} has {values} values per voxel; one real number is needed.")
    if len(sizes) not in (2, 3):
        raise VolumeError(f"{path} has {len(sizes)} dimensions; a volume has 3. Save one frame of it.")
    i, j, k = (*sizes, 1)[:3]
    geometry = VolumeGeometry(ijk_to_ras(header), (i, j, k))
    voxels = native_voxels(read_nrrd_samples(header).reshape(k, j, i))
    return Volume(voxels, geometry, source=str(path), notes=unit_notes(header))


def read_nrrd_samples(header: NrrdHeader) -> np.ndarray:
    """All samples of the file in its own order, flat; raises VolumeError where they are damaged or missing."""
    if header.encoding == "text":
        return _text_samples(header)
    read = inflate if header.encoding == "gzip" else read_bytes
    return np.frombuffer(read(header.path, header.offset, header.data_bytes), header.dtype)


def nrrd_bytes(array_kji: np.ndarray, geometry: VolumeGeometry, key_values: Mapping[str, str]) -> bytes:
    """A gzipped NRRD of unsigned whole numbers (K, J, I) on a grid; the same input gives the same bytes.

    key_values: the format's key:=value pairs, any text.
    """
    ijk_to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.ijk_to_ras
    vectors = ["(" + ",".join(repr(float(value)) for value in column) + ")" for column in ijk_to_lps[:3].T]
    lines = [
        "NRRD0004",
        f"type: {'unsigned char' if array_kji.dtype.itemsize == 1 else 'unsigned short'}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, geometry.shape_ijk))}",
        f"space directions: {' '.join(vectors[:3])}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {vectors[3]}",
        *(f"{_escaped(key)}:={_escaped(value)}" for key, value in key_values.items()),
    ]
    header = "\n".join(lines).encode("utf-8", "replace") + b"\n\n"
    little = array_kji.astype(array_kji.dtype.newbyteorder("<"), copy=False)
    return header + gzip.compress(np.ascontiguousarray(little).data, mtime=0)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", " ")


def _text_samples(header: NrrdHeader) -> np.ndarray:
    count = int(np.prod(header.sizes, dtype=np.int64))
    if count > _MAX_TEXT_SAMPLES:
        raise VolumeError(f"{header.path} has {count} voxels as text, too many. Save it again with gzip.")
    require_memory(3 * header.path.stat().st_size + _TEXT_SAMPLE_BYTES * count, str(header.path))
    words = header.path.read_bytes()[header.offset :].split(maxsplit=count)[:count]
    try:
        samples = np.array(list(map(int if header.dtype.kind in "iu" else float, words)), header.dtype)
    except (ValueError, OverflowError) as error:
        raise VolumeError(f"{header.path} has voxels that are not numbers: {error}. The file is damaged.") from error
    if len(samples) != count:
        raise VolumeError(f"{header.path} has {len(samples)} of its {count} voxels. It is truncated; get it again.")
    return samples
