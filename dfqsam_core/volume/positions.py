"""Positions of prompts as voxels of a volume; what is malformed or outside is refused in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PromptError
from .geometry import COORDINATE_SYSTEMS, VolumeGeometry, axis_index, nearest_voxel

Voxel = tuple[int, int, int]


def check_axis(axis: str) -> None:
    """Raise PromptError for an axis that is not I, J or K."""
    if axis not in ("I", "J", "K"):
        raise PromptError(f"Unknown axis {axis!r}. An axis is I, J or K.")


def check_system(system: str) -> None:
    """Raise PromptError for a coordinate system that is not RAS, LPS or IJK."""
    if system not in COORDINATE_SYSTEMS:
        raise PromptError(f"Unknown coordinate system {system!r}. Use RAS, LPS or IJK.")


def check_one_slice(voxels: Sequence[Voxel], axis: str, what: str) -> None:
    """Raise PromptError where voxels are not all on one slice across `axis`; what: "box", for the sentence."""
    check_axis(axis)
    indices = sorted({voxel[axis_index(axis)] for voxel in voxels})
    if len(indices) > 1:
        raise PromptError(
            f"A {what} must lie on one slice; it has voxels on {axis} = {indices[0]} and on {axis} = {indices[-1]}. "
            "Draw it on one slice, or give another axis."
        )


def voxel_at(geometry: VolumeGeometry, position: ArrayLike, system: str) -> Voxel:
    """Voxel that holds one position (3,) in RAS, LPS or IJK; raises PromptError outside the volume."""
    return voxels_at(geometry, [position], system)[0]


def voxels_at(geometry: VolumeGeometry, positions: Sequence[ArrayLike], system: str) -> tuple[Voxel, ...]:
    """Voxels that hold positions (3,) in RAS, LPS or IJK; raises PromptError for the first one outside the volume."""
    check_system(system)
    points = np.array([_finite(position) for position in positions]).reshape(-1, 3)
    ijk = geometry.ijk_from(points, system)
    nearest = nearest_voxel(ijk)
    outside = ((nearest < 0) | (nearest >= np.array(geometry.shape_ijk))).any(axis=1)
    if outside.any():
        n = int(outside.argmax())
        raise PromptError(
            f"The position {points[n].tolist()} ({system}) is outside the volume: it would be voxel "
            f"{', '.join(f'{value:.4g}' for value in ijk[n])} of {geometry.shape_ijk}. "
            "Check the coordinate system and the volume."
        )
    return tuple([(i, j, k) for i, j, k in nearest.astype(int).tolist()])


def _finite(position: ArrayLike) -> np.ndarray:
    point = np.asarray(position, np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise PromptError(f"A position needs three finite numbers, found {position!r}.")
    return point
