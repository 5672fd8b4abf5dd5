"""NIfTI volumes through nibabel."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import VolumeError
from ..geometry import VolumeGeometry
from ..volume import Volume
from .headers import check_memory, check_promise, inflated
from .links import refuse_outside
from .nifti_place import nifti_place
from .voxel_types import native_voxels

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_PAIR = (".hdr.gz", ".img.gz", ".hdr", ".img")
# How far a compressed file may unfold beyond its voxels: headers, extensions, padding.
_SURPLUS_BYTES = 2**30
_PIECE_VOXELS = 2**22
# Size of a NIfTI-2 header, its first number.
_NIFTI2_HEADER = 540


def read_nifti(path: Path, frame: int | None = None, within: Sequence[Path] | None = None) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file (or .hdr/.img pair); `frame` chooses one volume of a 4D file.

    within: folders that neither file of a pair may lie outside of.

    Voxels keep an integer type where the header scales nothing, and are float32 otherwise, see `native_voxels`. The
    place in the patient is the one that ITK and 3D Slicer show, see `nifti_place`.
    Raises VolumeError for a damaged file and for colour, complex or sheared images.
    """
    for file in nifti_files(path):
        refuse_outside(file, within)
    with _refusals(path):
        return _volume(path, _loaded(path), frame)


def nifti_data_bytes(path: Path) -> int:
    """Bytes of all voxels of a NIfTI file, uncompressed; raises VolumeError where the file cannot hold them."""
    with _refusals(path):
        image = _loaded(path)
        _check_data_size(path, image)
        return math.prod(image.shape) * image.get_data_dtype().itemsize


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What nibabel says of a file, as VolumeError or not at all."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    unreadable = (ImageFileError, HeaderDataError, WrapStructError)
    try:
        with warnings.catch_warnings(), _quiet(logging.getLogger("nibabel.global")):
            warnings.simplefilter("ignore")
            yield
    except VolumeError:
        raise
    except (*unreadable, OSError, EOFError, zlib.error, ArithmeticError, ValueError) as error:
        raise VolumeError(f"{path} cannot be read as NIfTI: {_first_line(error)}. Get the file again.") from error


def nifti_files(path: Path) -> list[Path]:
    """The file itself, and the other one of a .hdr/.img pair where that is there, sorted."""
    stem = next((path.name[: -len(end)] for end in _PAIR if path.name.lower().endswith(end)), None)
    if stem is None:
        return [path]
    names = [stem + letters for end in _PAIR for letters in (end, end.upper())]
    return sorted({path, *(other for name in names if (other := path.with_name(name)).is_file())})


def _loaded(path: Path) -> Any:
    import nibabel

    image = _opened(path)
    if not isinstance(image, (nibabel.Nifti1Pair, nibabel.Nifti2Pair)):
        raise VolumeError(f"{path} is {type(image).__name__} of nibabel, not NIfTI. Convert it to .nii.gz.")
    return image


def _opened(path: Path) -> Any:
    """nibabel's image of a file: of an ending such as .Nii.Gz nibabel itself would look for another name."""
    import nibabel
    from nibabel.fileholders import FileHolder

    ending = re.search(r"\.nii(?=$|\.gz$)", path.name, re.IGNORECASE)
    if ending is None or ending.group() in (".nii", ".NII"):
        return nibabel.load(path)
    holder = FileHolder(str(path))
    with holder.get_prepare_fileobj("rb") as file:
        size = file.read(4)
    is_second = _NIFTI2_HEADER in (int.from_bytes(size, "little"), int.from_bytes(size, "big"))
    return (nibabel.Nifti2Image if is_second else nibabel.Nifti1Image).from_file_map({"image": holder})


def _volume(path: Path, image: Any, frame: int | None) -> Volume:
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf":
        kind = "complex numbers" if dtype.kind == "c" else "colours or several values per voxel"
        raise VolumeError(f"{path} holds {kind} ({dtype}); one real number per voxel is needed. Convert it first.")
    _check_data_size(path, image)
    shape = _spatial_shape(image.shape)
    place = nifti_place(image.header, shape)
    geometry = VolumeGeometry(place.ijk_to_ras, shape)
    voxels = _voxels(image, _frame(path, image, frame)).reshape(shape, order="F").T
    return Volume(voxels, geometry, source=str(path), nifti_header=image.header.copy(), notes=place.notes)


def _check_data_size(path: Path, image: Any) -> None:
    data = Path(image.file_map["image"].filename)
    compressed = _is_compressed(data)
    offset = 0 if compressed else int(image.dataobj.offset)
    dtype = image.get_data_dtype()
    check_promise(path, image.shape, dtype.itemsize, data.stat().st_size - offset, compressed)
    # Of several volumes one is read.
    check_memory(path, _spatial_shape(image.shape), dtype, _is_scaled(image.dataobj))


def _is_compressed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _gzip_bytes(path: Path, offset: int, needed: int, most_bytes: int) -> bytearray:
    """The `needed` bytes from `offset` on of a gzip stream, which is read to its end, where its checksum is compared.

    nibabel's reader would hold them twice, and stop before the checksum.
    """
    content, place, is_whole = bytearray(needed), 0, False
    for piece, ended in inflated(path, 0):
        is_whole = ended
        start, end = max(offset, place), min(offset + needed, place + len(piece))
        if start < end:
            content[start - offset : end - offset] = memoryview(piece)[start - place : end - place]
        place += len(piece)
        if place > most_bytes:
            raise VolumeError(f"{path} unfolds to far more than its header says. It is damaged; get it again.")
    if not is_whole:
        raise EOFError("the compressed file ended before its end marker")
    if place < offset + needed:
        raise EOFError(f"Expected {needed} bytes, got {max(0, place - offset)} bytes of voxels")
    return content


def _spatial_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    i, j, k = (*shape[:3], 1, 1, 1)[:3]
    return i, j, k


def _frame(path: Path, image: Any, frame: int | None) -> Any:
    """nibabel's proxy of one volume's voxels."""
    from nibabel.arrayproxy import ArrayProxy

    frames = math.prod(image.shape[3:])
    if frame is not None and not 0 <= frame < frames:
        raise VolumeError(f"{path} has the frames 0 to {frames - 1}; there is no frame {frame}.")
    if frames > 1 and frame is None:
        raise VolumeError(f"{path} has {frames} volumes. Choose one with --frame 0 to {frames - 1}.")
    shape, stored = _spatial_shape(image.shape), image.dataobj
    offset = stored.offset + (frame or 0) * math.prod(shape) * stored.dtype.itemsize
    return ArrayProxy(stored.file_like, (shape, stored.dtype, offset, stored.slope, stored.inter))


def _is_scaled(proxy: Any) -> bool:
    return (proxy.slope, proxy.inter) != (1, 0)


def _stored(image: Any, proxy: Any) -> np.ndarray:
    """Voxels as the file has them, flat, the first index fastest."""
    data, voxel_bytes = Path(image.file_map["image"].filename), proxy.dtype.itemsize
    if not _is_compressed(data):
        return np.asanyarray(proxy.get_unscaled()).reshape(-1, order="F")
    most_bytes = image.dataobj.offset + math.prod(image.shape) * voxel_bytes + _SURPLUS_BYTES
    content = _gzip_bytes(data, proxy.offset, math.prod(proxy.shape) * voxel_bytes, most_bytes)
    return np.frombuffer(content, proxy.dtype)


def _voxels(image: Any, proxy: Any) -> np.ndarray:
    """All voxels, scaled piece by piece: nibabel makes float64 of them, which no whole volume has to be at once."""
    from nibabel.volumeutils import apply_read_scaling

    stored = _stored(image, proxy)
    if not _is_scaled(proxy):
        return native_voxels(stored)
    voxels = np.empty(stored.shape, np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, stored.size, _PIECE_VOXELS):
            piece = slice(start, start + _PIECE_VOXELS)
            voxels[piece] = apply_read_scaling(stored[piece], proxy.slope, proxy.inter)
    return voxels


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].strip().rstrip(".")


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """nibabel logs every oddity of a header to standard error; what comes of it is a good volume or our own error."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
