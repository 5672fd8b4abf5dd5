"""Where a NRRD file lies in the patient, as ITK's NrrdImageIO and 3D Slicer place it."""

from __future__ import annotations

import re

import numpy as np

from ...errors import VolumeError
from .nrrd_header import NrrdHeader

_TO_LPS = {
    "left-posterior-superior": (1.0, 1.0), "lps": (1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0), "ras": (-1.0, -1.0),
    "left-anterior-superior": (1.0, -1.0), "las": (1.0, -1.0),
}  # fmt: skip
_MILLIMETRES = {"", "mm", "millimeter", "millimetre", "millimeters", "millimetres"}


def ijk_to_ras(header: NrrdHeader) -> np.ndarray:
    """(4, 4) as ITK's NrrdImageIO makes it of a space with directions, or of plain spacings and axis minima."""
    rank, fields = len(header.domain), header.fields
    matrix = np.eye(4)
    if "space" in fields or "space dimension" in fields:
        if "time" in fields.get("space", "").lower():
            raise VolumeError(f"{header.path} lies in a space with time; a volume has 3 dimensions. Save one frame.")
        vectors = _vectors(header, "space directions", len(header.sizes))
        if len(vectors) != len(header.sizes) or any(vectors[axis] is None for axis in header.domain):
            raise VolumeError(f"{header.path} is in a space, but has no direction of each axis in it. Save it again.")
        for column, axis in enumerate(header.domain):
            matrix[:rank, column] = _fitting(header, vectors[axis], rank)
        if origin := _vectors(header, "space origin", 1):
            matrix[:rank, 3] = _fitting(header, origin[0], rank)
        matrix[:2] *= np.array(_TO_LPS.get(fields.get("space", "").lower(), (1.0, 1.0)))[:, None]
    else:
        spacing, origin_mm = _plain_axes(header)
        matrix[range(rank), range(rank)], matrix[:rank, 3] = spacing, origin_mm
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def _fitting(header: NrrdHeader, vector: list[float] | None, rank: int) -> list[float]:
    if vector is None or len(vector) != rank:
        raise VolumeError(f"{header.path} has {rank} axes in a space of another dimension. Save it again as 3D.")
    return vector


def _vectors(header: NrrdHeader, name: str, most: int) -> list[list[float] | None]:
    """The vectors "(x,y,z)" of a field, None for "none"."""
    text = header.fields.get(name, "")
    parts = re.findall(r"none|\([^()]*\)", text)
    if len(parts) > most or re.sub(r"\s", "", "".join(parts)) != re.sub(r"\s", "", text):
        raise VolumeError(f"{header.path} has {name}: {text[:60]!r}, which are not vectors. The file is damaged.")
    return [None if part == "none" else _numbers(header, name, part.strip("()").replace(",", " ")) for part in parts]


def _plain_axes(header: NrrdHeader) -> tuple[np.ndarray, np.ndarray]:
    """Spacing and centre of the first sample of each axis, by teem's rules for axes without a space."""
    spacings, low, high = (_by_axis(header, name) for name in ("spacings", "axis mins", "axis maxs"))
    if (np.isnan(spacings) & np.isfinite(low) & np.isfinite(high)).any():
        raise VolumeError(
            f"{header.path} gives the ends of its axes and no spacings, which programs place differently. Save it "
            "again with space directions."
        )
    spacing = np.where(np.isfinite(spacings) & (spacings != 0), spacings, 1.0)
    centering = header.fields.get("centerings", header.fields.get("centers", "")).lower().split()
    at_nodes = [axis < len(centering) and centering[axis] == "node" for axis in header.domain]
    placed = bool((np.isfinite(low) & np.isfinite(spacings)).all())
    return spacing, low + np.where(at_nodes, 0, spacing / 2) if placed else np.zeros(len(spacing))


def _by_axis(header: NrrdHeader, name: str) -> np.ndarray:
    """One number of each axis in space, NaN where the header has none."""
    values = _numbers(header, name, header.fields[name]) if name in header.fields else [np.nan] * len(header.sizes)
    if len(values) != len(header.sizes):
        raise VolumeError(f"{header.path} has {len(values)} {name} of {len(header.sizes)} axes. The file is damaged.")
    return np.array(values)[header.domain]


def _numbers(header: NrrdHeader, name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split()]
    except ValueError:
        raise VolumeError(f"{header.path} has {name}: {text[:60]!r}, which are not numbers. It is damaged.") from None


def unit_notes(header: NrrdHeader) -> tuple[str, ...]:
    """A sentence about units that are not millimetres, which ITK reads over."""
    written = header.fields.get("space units", header.fields.get("units", ""))
    units = {unit.strip() for unit in re.findall(r'"([^"]*)"', written)}
    if units <= _MILLIMETRES:
        return ()
    return (f"The header calls its units {', '.join(sorted(units))}; taken as millimetres, as ITK and 3D Slicer do.",)
