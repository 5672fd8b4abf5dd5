"""DICOM SEG read back as a label map of the series that it was drawn on."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import VolumeError
from ..geometry import nearest_voxel
from ..prompts import MAX_LABEL
from ..volume import Volume
from .dicom_frames import parse_file

_SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
# Share of a voxel by which a frame may lie beside the volume's voxels.
_SAME_PLACE = 0.1


def is_dicom_seg(path: Path) -> bool:
    """Return whether a file is a DICOM SEG; a folder, or what is no DICOM file at all, is none."""
    try:
        return path.is_file() and parse_file(path, stop_before_pixels=True).get("SOPClassUID") == _SEGMENTATION_STORAGE
    except Exception:  # noqa: BLE001 - pydicom raises nearly anything, and whoever reads the file tells why
        return False


def read_dicom_seg(path: Path, volume: Volume) -> tuple[Volume, dict[int, str]]:
    """Label map (uint16) on the grid of `volume`, and label to segment name.

    A segment has the number that `write_dicom_seg` noted in its description ("label 31"), else its number in the file.
    Raises VolumeError for a file that is damaged, lies on another grid, is not binary, or whose segments overlap.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(parse_file(path), volume)
    except VolumeError as error:
        raise VolumeError(f"{path} {error}.") from error
    except Exception as error:  # pydicom raises nearly anything for values that break the standard
        raise VolumeError(f"{path} cannot be read as a DICOM SEG: {error}. Export it again.") from error


def _read(dataset: Any, volume: Volume) -> tuple[Volume, dict[int, str]]:
    if dataset.SegmentationType != "BINARY":
        raise VolumeError(f"is of the type {dataset.SegmentationType}, and BINARY is needed. Export it as that")
    numbers, names = _segments(dataset)
    labels = np.zeros(volume.voxels_kji.shape, np.uint16)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for group, pixels in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        voxels = _voxels(dataset, group, pixels, volume)
        number = numbers[int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        taken = np.setdiff1d(labels[voxels], [0, number])
        if taken.size:
            raise VolumeError(
                f"has segments that overlap: {names[int(taken[0])]!r} and {names[number]!r}. A label map holds one "
                "segment a voxel. Open it in 3D Slicer, and save it as .seg.nrrd"
            )
        labels[voxels] = number
    return Volume(labels, volume.geometry, source=volume.source), names


def _segments(dataset: Any) -> tuple[dict[int, int], dict[int, str]]:
    """Label by the number in the file, and name by label."""
    numbers: dict[int, int] = {}
    names: dict[int, str] = {}
    for item in dataset.SegmentSequence:
        noted = re.fullmatch(r"label (\d{1,5})", str(item.get("SegmentDescription") or ""))
        wanted = [int(noted[1])] if noted else []
        label = next(n for n in (*wanted, int(item.SegmentNumber), *range(1, MAX_LABEL + 1)) if n and n not in names)
        numbers[int(item.SegmentNumber)] = label
        names[label] = str(item.SegmentLabel)
    return numbers, names


def _voxels(dataset: Any, group: Any, pixels: np.ndarray, volume: Volume) -> tuple[np.ndarray, ...]:
    """K, J and I of the pixels of a frame that are set; raises VolumeError where they are no voxels of `volume`."""

    def item(name: str) -> Any:
        return (group.get(name) or dataset.SharedFunctionalGroupsSequence[0].get(name))[0]

    origin = np.array(item("PlanePositionSequence").ImagePositionPatient, float)
    along_row, along_column = np.array(item("PlaneOrientationSequence").ImageOrientationPatient, float).reshape(2, 3)
    row_mm, column_mm = map(float, item("PixelMeasuresSequence").PixelSpacing)
    steps = np.stack([along_column * row_mm, along_row * column_mm])
    rows_columns = np.argwhere(pixels)
    ijk = volume.geometry.ijk_from(origin + rows_columns @ steps, "LPS")
    # A pixel as wide as two voxels would meet their centres, too.
    sizes = np.abs(volume.geometry.ijk_from(origin + steps, "LPS") - volume.geometry.ijk_from(origin, "LPS")).max(
        axis=1
    )
    near = nearest_voxel(ijk)
    is_off = np.abs(ijk - near).max(initial=0) > _SAME_PLACE or np.abs(sizes - 1).max() > _SAME_PLACE
    if is_off or not volume.geometry.contains(near):
        raise VolumeError(f"lies on another grid than the volume {volume.source}. Open the series it was drawn on")
    return tuple(near.astype(int).T[::-1])
