"""Pixel values of DICOM frames: pydicom parses, SimpleITK (GDCM) decodes single compressed frames and nothing else.

GDCM never sees a file of the user's: its parser trusts lengths in damaged headers and takes gigabytes for them.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ...base.memory import require_memory
from ...errors import VolumeError
from .dicom_frames import Frame, parse_file
from .voxel_types import memory_bytes

# Of one plane, int64 and float64 on the way to its values.
_PIXEL_BYTES = 32
_CLEAN_TAGS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


def read_frames(frames: list[Frame]) -> np.ndarray:
    """Voxels (K, J, I) of frames of one size, each after its own Modality LUT, or slope and intercept.

    int16 or int32 where all values are whole, float32 otherwise; in the order of pydicom's `apply_modality_lut`:
    MONOCHROME1 (white is low) is about display and changes nothing. Raises VolumeError for pixels that are damaged or
    too many.
    """
    first = frames[0]
    shape = (len(frames), first.rows, first.columns)
    whole = all(frame.slope == 1 and float(frame.intercept).is_integer() for frame in frames)
    what = f"The series with {shape[2]} x {shape[1]} x {shape[0]} voxels"
    # int32 becomes int16 where that holds it.
    require_memory(memory_bytes(shape, np.dtype(np.int16 if whole else np.float32)), what)
    voxels = np.empty(shape, np.int32 if whole else np.float32)
    opened: tuple[Path, Any] | None = None
    for n, frame in enumerate(frames):
        if opened is None or opened[0] != frame.path:
            opened = None
            opened = (frame.path, _open(frame.path))
            # pydicom keeps what it inflated beside the pixels.
            require_memory(
                voxels.nbytes + _PIXEL_BYTES * voxels[0].size + 2 * len(opened[1].get("PixelData") or b""), what
            )
        stored = _stored(frame, opened[1])
        if stored.dtype.kind == "f" and voxels.dtype.kind == "i":
            voxels, whole = _as_float(voxels), False
        if frame.has_lut:
            voxels[n] = _looked_up(frame, opened[1], stored)
        else:
            voxels[n] = stored + int(frame.intercept) if whole else stored * frame.slope + frame.intercept
    opened = None
    return _compact(voxels) if whole else voxels


def _as_float(voxels: np.ndarray) -> np.ndarray:
    """int32 as float32 in the same memory."""
    floats = voxels.view(np.float32)
    for plane, integers in zip(floats, voxels, strict=True):
        plane[...] = integers.copy()
    return floats


def _looked_up(frame: Frame, dataset: Any, stored: np.ndarray) -> np.ndarray:
    """Values of the Modality LUT; raises VolumeError where its sign is not known: the standard has none for it."""
    from pydicom.pixels import apply_modality_lut

    try:
        values = apply_modality_lut(stored, dataset)
        bits = int(dataset.ModalityLUTSequence[0].LUTDescriptor[2])
    except Exception as error:  # pydicom raises nearly anything for tables that break the standard
        raise VolumeError(f"The Modality LUT of {frame.path} is damaged: {error}. Export it again.") from error
    if values.max() >= 2 ** (bits - 1) and bits > 8:
        raise VolumeError(
            f"The Modality LUT of {frame.path} gives values up to {values.max()} in {bits} bits: they may be negative "
            "ones, which is not written down. Export the series with a rescale slope and intercept."
        )
    return values


def _open(path: Path) -> Any:
    try:
        dataset = parse_file(path)
        # pydicom decodes an element when it is first asked for.
        dataset.get("PixelData")
        return dataset
    except VolumeError:
        raise
    except Exception as error:  # pydicom raises nearly anything for bytes that break the standard
        raise VolumeError(f"{path} is a damaged DICOM file: {error}. Export it again.") from error


def _stored(frame: Frame, dataset: Any) -> np.ndarray:
    """Stored values (rows, columns) of one frame before any rescaling: int64, float64 of float pixel data."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = _decode(dataset, frame.number)
            values = pixels.astype(np.float64 if pixels.dtype.kind == "f" else np.int64)
    except Exception as error:  # decoders raise nearly anything for damaged pixels
        raise VolumeError(f"The pixels of {frame.path} cannot be decoded: {error}. Export it again.") from error
    if values.shape != (frame.rows, frame.columns):
        raise VolumeError(
            f"The pixels of {frame.path} have the shape {values.shape}, unlike its header. Export it again."
        )
    return values


def _decode(dataset: Any, number: int) -> np.ndarray:
    from pydicom.pixels import pixel_array
    from pydicom.uid import RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax.is_deflated or syntax == RLELossless:
        multiple = int(dataset.get("NumberOfFrames") or 1) > 1
        return pixel_array(dataset, index=number if multiple else None)
    return _decode_codestream(dataset, number)


def _decode_codestream(dataset: Any, number: int) -> np.ndarray:
    import pydicom
    import SimpleITK
    from pydicom.encaps import encapsulate, get_frame

    clean = pydicom.Dataset()
    for tag in _CLEAN_TAGS:
        setattr(clean, tag, int(dataset[tag].value))
    clean.SamplesPerPixel, clean.PhotometricInterpretation = 1, "MONOCHROME2"
    clean.SOPClassUID, clean.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, "1.2.3"
    frame_count = int(dataset.get("NumberOfFrames") or 1)
    clean.PixelData = encapsulate([get_frame(dataset.PixelData, number, number_of_frames=frame_count)])
    clean["PixelData"].is_undefined_length = True
    clean.file_meta = pydicom.dataset.FileMetaDataset()
    clean.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.dcm")
        clean.save_as(path, enforce_file_format=True)
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    return SimpleITK.GetArrayFromImage(image)[0]


def _compact(voxels: np.ndarray) -> np.ndarray:
    fits = voxels.min() >= -(2**15) and voxels.max() < 2**15
    return voxels.astype(np.int16) if fits else voxels
