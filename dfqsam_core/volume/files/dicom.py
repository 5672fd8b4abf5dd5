"""DICOM series as volumes: which images belong together, in which order, and on which grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import VolumeError
from ..geometry import VolumeGeometry
from ..volume import Volume
from .dicom_folder import scan_folder
from .dicom_frames import Frame, frames_in_file
from .dicom_pixels import read_frames

# How far a slice may lie from its place in an even stack, in slice distances, and how much directions may differ.
_EVEN_TOLERANCE = 0.1
_DIRECTION_TOLERANCE = 1e-3


def read_dicom(path: Path, series: str | None = None, within: Sequence[Path] | None = None) -> Volume:
    """Read one series from a DICOM file or folder, slices ordered by their position along the normal.

    series: SeriesInstanceUID; needed where the folder holds several. within: folders that links in it may not lead out
    of. Values are after each slice's rescale slope or Modality LUT.
    Raises VolumeError for missing, doubled or uneven slices, mixed orientations, gantry tilt, non-images, and for any
    entry of the folder that could be a slice and cannot be used.
    """
    if path.is_dir():
        content = scan_folder(path, within)
        chosen = choose_series(path, content.frames, series)
        content.refuse_loss(chosen[0].series)
        left_out = content.left_out(chosen[0].series)
    else:
        chosen, left_out = choose_series(path, frames_in_file(path), series), ()
    chosen = sort_frames(chosen)
    geometry = stack_geometry(path, chosen)
    notes = [f"{len(left_out)} entries of the folder are not part of the volume."] if left_out else []
    if chosen[0].is_white_low:
        notes.append("The series is MONOCHROME1: its values are kept as stored, and its pictures are usually inverted.")
    return Volume(
        read_frames(chosen),
        geometry,
        chosen[0].modality or None,
        source=str(path),
        dicom_frames=tuple(chosen),
        notes=tuple(notes),
        passed_over=left_out,
    )


def series_files(folder: Path, series: str | None = None) -> list[Path]:
    """The files that `read_dicom` reads of a folder, by name; raises VolumeError as it does."""
    content = scan_folder(folder)
    chosen = choose_series(folder, content.frames, series)
    content.refuse_loss(chosen[0].series)
    return sorted({frame.path for frame in chosen})


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
        _check_even(path, frames, positions, step)
        step = _straightened(step, first.normal_lps, positions)
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


def _check_even(path: Path, frames: list[Frame], positions: np.ndarray, step: np.ndarray) -> None:
    gaps = np.diff(positions @ frames[0].normal_lps)
    if gaps.min() <= 1e-3:
        n = int(gaps.argmin())
        names = " and ".join(dict.fromkeys(frame.path.name for frame in frames[n : n + 2]))
        raise VolumeError(
            f"{path} has several images at one position, first in {names} (a copied slice, or time points, echoes or "
            "reconstructions in one series). Separate them first."
        )
    expected = positions[0] + np.arange(len(positions))[:, None] * step
    apart = np.linalg.norm(positions - expected, axis=1).max()
    if apart > _EVEN_TOLERANCE * np.linalg.norm(step) and not _is_rounded(positions, expected):
        n = int(gaps.argmax())
        raise VolumeError(
            f"{path} is not an even stack: slices are {gaps.min():.3f} to {gaps.max():.3f} mm apart, the widest gap is "
            f"between slice {n} and {n + 1}. A slice is missing, or the series must be resampled first."
        )


def _straightened(step: np.ndarray, normal: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The step without its lean, where the lean is no more than the rounding of the two positions that it comes from.

    ITK leaves out every lean; a larger one is a gantry tilt, and refused as such.
    """
    straight = (step @ normal) * normal
    lean_mm = np.linalg.norm(step - straight) * (len(positions) - 1)
    return straight if lean_mm <= np.sqrt(3) * _digit_mm(positions) else step


def _is_rounded(positions: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an even stack's coordinates were written with one or two decimals, which moves them by half a digit.

    Their differences then take two neighbouring values, which a missing slice would not leave so.
    """
    digit_mm, gaps = _digit_mm(positions), np.diff(positions, axis=0)
    slack = digit_mm * (1 + 1e-3)
    is_even = np.ptp(gaps, axis=0).max() <= slack and np.abs(positions - expected).max() <= slack
    return bool(digit_mm and is_even and np.abs(gaps).mean(axis=0).max() >= 2 * digit_mm)


def _digit_mm(positions: np.ndarray) -> float:
    """The last digit that positions were written with, 0 for more than two decimals."""
    written = (d for d in (0.1, 0.01) if np.allclose(positions / d, np.round(positions / d), rtol=0, atol=1e-4))
    return next(written, 0.0)
