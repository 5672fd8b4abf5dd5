"""NIfTI volumes through nibabel."""

from __future__ import annotations

import contextlib
import logging
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
from .headers import MAX_VOXEL_BYTES, check_memory, check_promise, inflated
from .links import refuse_outside
from .nifti_place import nifti_place
from .voxel_types import native_voxels

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_PAIR = (".hdr.gz", ".img.gz", ".hdr", ".img")
# Room for a header with its extensions before the voxels.
_HEADER_BYTES = 2**22
# Size of a NIfTI-2 header, its first number.
_NIFTI2_HEADER = 540


def read_nifti(path: Path, frame: int | None = None, within: Sequence[Path] | None = None) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file (or .hdr/.img pair); `frame` chooses one volume of a 4D file.

    within: folders that neither file of a pair may lie outside of.

    Voxels keep an integer type where the header scales nothing, and are float32 otherwise, see `native_voxels`. The
    place in the patient is the one that ITK and 3D Slicer show, see `nifti_place`.
    Raises VolumeError for a damaged file and for colour, complex or sheared images.
    """
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    unreadable = (ImageFileError, HeaderDataError, WrapStructError)
    for file in nifti_files(path):
        refuse_outside(file, within)
    try:
        with warnings.catch_warnings(), _quiet(logging.getLogger("nibabel.global")):
            warnings.simplefilter("ignore")
            return _volume(path, _load(path), frame)
    except VolumeError:
        raise
    except (*unreadable, OSError, EOFError, zlib.error, ArithmeticError, ValueError) as error:
        raise VolumeError(f"{path} cannot be read as NIfTI: {_first_line(error)}. Get the file again.") from error


def _load(path: Path) -> Any:
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


def nifti_files(path: Path) -> list[Path]:
    """The file itself, and the other one of a .hdr/.img pair where that is there, sorted."""
    stem = next((path.name[: -len(end)] for end in _PAIR if path.name.lower().endswith(end)), None)
    if stem is None:
        return [path]
    names = [stem + letters for end in _PAIR for letters in (end, end.upper())]
    return sorted({path, *(other for name in names if (other := path.with_name(name)).is_file())})


def _volume(path: Path, image: Any, frame: int | None) -> Volume:
    import nibabel

    if not isinstance(image, (nibabel.Nifti1Pair, nibabel.Nifti2Pair)):
        raise VolumeError(f"{path} is {type(image).__name__} of nibabel, not NIfTI. Convert it to .nii.gz.")
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf":
        kind = "complex numbers" if dtype.kind == "c" else "colours or several values per voxel"
        raise VolumeError(f"{path} holds {kind} ({dtype}); one real number per voxel is needed. Convert it first.")
    _check_data_size(path, image)
    shape = _spatial_shape(image.shape)
    place = nifti_place(image.header, shape)
    geometry = VolumeGeometry(place.ijk_to_ras, shape)
    voxels = _frame(path, image, frame).reshape(shape).T
    return Volume(voxels, geometry, source=str(path), nifti_header=image.header.copy(), notes=place.notes)


def _check_data_size(path: Path, image: Any) -> None:
    data = Path(image.file_map["image"].filename)
    compressed = data.name.lower().endswith(".gz")
    offset = 0 if compressed else int(image.dataobj.offset)
    check_promise(path, image.shape, image.get_data_dtype().itemsize, data.stat().st_size - offset, compressed)
    if (image.dataobj.slope, image.dataobj.inter) != (1, 0):
        # The stored voxels and their float32 lie in memory side by side.
        check_memory(path, image.shape, image.get_data_dtype().itemsize + np.dtype(np.float32).itemsize)
    if compressed:
        _check_gzip(data)


def _check_gzip(path: Path) -> None:
    """Read a gzip stream to its end, where its checksum is compared: nibabel stops at the last voxel, before it."""
    left, is_whole = MAX_VOXEL_BYTES + _HEADER_BYTES, False
    for piece, ended in inflated(path, 0):
        left, is_whole = left - len(piece), ended
        if left <= 0:
            break
    if left <= 0:
        raise VolumeError(f"{path} unfolds to more than {MAX_VOXEL_BYTES / 2**30:.0f} GiB. Crop or resample it first.")
    if not is_whole:
        raise EOFError("the compressed file ended before its end marker")


def _spatial_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    i, j, k = (*shape[:3], 1, 1, 1)[:3]
    return i, j, k


def _frame(path: Path, image: Any, frame: int | None) -> np.ndarray:
    frames = int(np.prod(image.shape[3:], dtype=np.int64))
    if frame is not None and not 0 <= frame < frames:
        raise VolumeError(f"{path} has the frames 0 to {frames - 1}; there is no frame {frame}.")
    if frames > 1 and frame is None:
        raise VolumeError(f"{path} has {frames} volumes. Choose one with --frame 0 to {frames - 1}.")
    if frames == 1:
        return _scaled(image.dataobj)
    index = np.unravel_index(frame or 0, image.shape[3:], order="F")
    place = (Ellipsis, *index)
    return native_voxels(image.dataobj[place])


def _scaled(proxy: Any) -> np.ndarray:
    """All voxels, scaled slice by slice: nibabel makes float64 of them, which no whole volume has to be at once."""
    from nibabel.volumeutils import apply_read_scaling

    stored = np.asanyarray(proxy.get_unscaled())
    if (proxy.slope, proxy.inter) == (1, 0):
        return native_voxels(stored)
    voxels = np.empty(stored.shape, np.float32, order="F")
    with np.errstate(over="ignore"):
        for n in range(stored.shape[-1]):
            voxels[..., n] = apply_read_scaling(stored[..., n], proxy.slope, proxy.inter)
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
