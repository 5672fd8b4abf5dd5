"""Where a NIfTI file lies in the patient: of two places that it may give, the one that ITK and 3D Slicer show."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..geometry import SHEAR_TOLERANCE

# NIfTI's code for coordinates of the scanner, and the unit codes of xyzt_units.
_SCANNER = 1
_UNITS = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}
# Scalings that differ by less than this share are one, written with different digits.
_SAME_SPACING = 1e-3
# Places that differ by less than this share of a voxel are one.
_SAME_PLACE = 0.1
_AS_SLICER = "as ITK and 3D Slicer do"


class NiftiPlace(NamedTuple):
    """ijk_to_ras: (4, 4), mm. notes: a sentence for each choice between two readings."""

    ijk_to_ras: np.ndarray
    notes: tuple[str, ...]


def nifti_place(header: Any, shape_ijk: tuple[int, int, int]) -> NiftiPlace:
    """Place of a volume by the header as nibabel reads it.

    The sform holds where its code is 1 (scanner) or the qform has none, else the qform; with neither, the first voxel
    lies at the origin and the axes lead to left, posterior, superior (itk::NiftiImageIO, ITK 5.4). Lengths in
    micrometres or metres become millimetres.
    """
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    notes: list[str] = []
    # A sheared sform has no place that two programs agree on: it is taken here, and refused as a grid.
    if sform_code and (sform_code == _SCANNER or not qform_code or _is_sheared(header.get_sform())):
        matrix = _with_pixdim(header, header.get_sform(), notes)
        word, other = "sform", (_qform(header) if qform_code else None)
    elif qform_code:
        matrix = header.get_qform()
        word, other = "qform", (header.get_sform() if sform_code else None)
    else:
        word, other = "", None
        matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([*_pixdim(header), 1.0])
        notes.append(f"The file has neither sform nor qform; its first voxel is put at the origin, {_AS_SLICER}.")
    name, factor = _UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))
    if other is not None and (far := _distance(matrix, other, shape_ijk)) > _SAME_PLACE * min(_lengths(matrix)):
        notes.append(f"sform and qform are up to {far * factor:.3g} mm apart; the {word} is used, {_AS_SLICER}.")
    if name:
        notes.append(f"The header gives lengths in {name} (its unit code); brought to millimetres, {_AS_SLICER}.")
    return NiftiPlace(np.diag([factor, factor, factor, 1.0]) @ matrix, tuple(notes))


def _with_pixdim(header: Any, sform: np.ndarray, notes: list[str]) -> np.ndarray:
    """The sform with the voxel sizes of pixdim, as ITK takes them, where both say something and differ."""
    lengths, pixdim = _lengths(sform), np.array(header["pixdim"][1:4], np.float64)
    if not (np.isfinite(sform).all() and lengths.all() and np.isfinite(pixdim).all() and (pixdim > 0).all()):
        return sform
    if np.allclose(lengths, pixdim, rtol=_SAME_SPACING):
        return sform
    found = f"{np.round(lengths, 4).tolist()} and {np.round(pixdim, 4).tolist()}"
    notes.append(f"sform and pixdim give the voxel sizes {found}; those of pixdim are used, {_AS_SLICER}.")
    matrix = sform.copy()
    matrix[:3, :3] *= pixdim / lengths
    return matrix


def _qform(header: Any) -> np.ndarray | None:
    """The qform beside a sform, None where its quaternion is none: nobody uses it then."""
    from nibabel.spatialimages import HeaderDataError

    try:
        return header.get_qform()
    except (HeaderDataError, ValueError):
        return None


def _is_sheared(matrix: np.ndarray) -> bool:
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = matrix[:3, :3] / _lengths(matrix)
        return bool(np.abs(unit.T @ unit - np.eye(3)).max() > SHEAR_TOLERANCE)


def _pixdim(header: Any) -> np.ndarray:
    """Voxel sizes, 1 where the header gives none."""
    sizes = np.abs(np.array(header["pixdim"][1:4], np.float64))
    return np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1.0)


def _lengths(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.norm(matrix[:3, :3], axis=0)


def _distance(a: np.ndarray, b: np.ndarray, shape_ijk: tuple[int, int, int]) -> float:
    """Largest distance of a voxel's two places, which one of the corners has; infinite for a broken matrix."""
    corners = np.stack(np.meshgrid(*((0, n - 1) for n in shape_ijk)), -1).reshape(-1, 3)
    apart = np.linalg.norm(corners @ (a - b)[:3, :3].T + (a - b)[:3, 3], axis=1).max()
    return float(apart) if np.isfinite(apart) else np.inf
