"""DICOM series as volumes: which images belong together, in which order, and on which grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import VolumeError
from ..geometry import VolumeGeometry
from ..volume import Volume
from .dicom_frames import Frame, frames_in_file, frames_in_folder
from .dicom_pixels import read_frames

# How far a slice may lie from its place in an even stack, in slice distances, and how much directions may differ.
_EVEN_TOLERANCE = 0.1
_DIRECTION_TOLERANCE = 1e-3


def read_dicom(path: Path, series: str | None = None) -> Volume:
    """Read one series from a DICOM file or folder, slices ordered by their position along the normal.

    series: SeriesInstanceUID; needed where the folder holds several. Values are after the rescale slope of each slice.
    Raises VolumeError for missing, doubled or uneven slices, mixed orientations, gantry tilt, and non-images.
    """
    frames = frames_in_folder(path) if path.is_dir() else frames_in_file(path)
    chosen = sort_frames(choose_series(path, frames, series))
    geometry = stack_geometry(path, chosen)
    modality = chosen[0].modality or None
    return Volume(read_frames(chosen), geometry, modality, source=str(path), dicom_frames=tuple(chosen))


def choose_series(path: Path, frames: list[Frame], series: str | None) -> list[Frame]:
    """Frames of the series with the UID `series`, or of the only one; raises VolumeError that lists them otherwise."""
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.series, []).append(frame)
    if series is None and len(groups) == 1:
        return frames
    if series in groups:
        return groups[series]
    listing = "; ".join(f"{uid} ({len(found)} images, {found[0].description!r})" for uid, found in groups.items())
    asked = "several series" if series is None else f"no series {series}"
    raise VolumeError(f"{path} has {asked}. Choose one with --series: {listing}.")


def sort_frames(frames: list[Frame]) -> list[Frame]:
    """The frames in the order of their position along the normal of the first."""
    normal = frames[0].normal_lps
    return sorted(frames, key=lambda frame: float(normal @ frame.position_lps))


def stack_geometry(path: Path, frames: list[Frame]) -> VolumeGeometry:
    """Grid of sorted frames; raises VolumeError unless they are one even stack of equal, parallel planes."""
    first = frames[0]
    _check_equal_planes(path, frames)
    positions = np.array([frame.position_lps for frame in frames])
    step = first.normal_lps * (first.thickness_mm if first.thickness_mm > 0 else 1.0)
    if len(frames) > 1:
        step = (positions[-1] - positions[0]) / (len(frames) - 1)
        _check_even(path, positions, step, first.normal_lps)
    matrix = np.eye(4)
    matrix[:3, :2] = first.directions_lps * first.spacing_mm
    matrix[:3, 2], matrix[:3, 3] = step, positions[0]
    shape = (first.columns, first.rows, len(frames))
    return VolumeGeometry(np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix, shape)


def _check_equal_planes(path: Path, frames: list[Frame]) -> None:
    first = frames[0]
    for frame in frames[1:]:
        if (frame.rows, frame.columns) != (first.rows, first.columns):
            found = f"{first.columns} x {first.rows} and {frame.columns} x {frame.rows} pixels"
        elif not np.allclose(frame.spacing_mm, first.spacing_mm, rtol=1e-3):
            found = "pixels of {:.3f} x {:.3f} and {:.3f} x {:.3f} mm".format(*first.spacing_mm, *frame.spacing_mm)
        elif not np.allclose(frame.directions_lps, first.directions_lps, atol=_DIRECTION_TOLERANCE):
            found = "slices in different directions"
        else:
            continue
        raise VolumeError(f"{path} mixes {found} in one series, so it is not one volume. Separate the images first.")


def _check_even(path: Path, positions: np.ndarray, step: np.ndarray, normal: np.ndarray) -> None:
    along = positions @ normal
    gaps = np.diff(along)
    if gaps.min() <= 1e-3:
        raise VolumeError(
            f"{path} has several images at one position (time points, echoes or reconstructions in one series). "
            "Separate them first."
        )
    expected = positions[0] + np.arange(len(positions))[:, None] * step
    if np.linalg.norm(positions - expected, axis=1).max() > _EVEN_TOLERANCE * np.linalg.norm(step):
        n = int(gaps.argmax())
        raise VolumeError(
            f"{path} is not an even stack: slices are {gaps.min():.3f} to {gaps.max():.3f} mm apart, the widest gap is "
            f"between slice {n} and {n + 1}. A slice is missing, or the series must be resampled first."
        )
