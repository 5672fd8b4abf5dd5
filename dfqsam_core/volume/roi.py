"""A region of interest, Slicer's box in space, as one box on every slice that it covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PromptError
from .geometry import VOXEL_DIGITS, VolumeGeometry, axis_index, nearest_voxel
from .positions import check_axis, check_system
from .prompts import BoxPrompt

# Voxels; nobody draws a box of this size, and its cuts could not be told exactly.
_FAR = 1e9
# The corners of a cube at -1 and 1, and its edges as pairs of them.
_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
_EDGES = np.array([(a, b) for a in range(8) for b in range(a) if np.abs(_SIGNS[a] - _SIGNS[b]).sum() == 2])


def roi_boxes(
    geometry: VolumeGeometry, centre: ArrayLike, half_axes: ArrayLike, system: str, axis: str | None = None
) -> tuple[BoxPrompt, ...]:
    """One box on every slice whose voxels' centres a region of interest covers, along `axis`, cut to the volume.

    centre: (3,) in RAS, LPS or IJK. half_axes: (3, 3), in its columns the ways from the centre to the middles of three
    faces. A turned one gives on each slice the box around its cut with it. One that lies between two slices prompts
    the slice of its centre; of two as near, the one on the side of R, A or S. axis: the acquisition axis where None.
    Raises PromptError for one that was never placed, lies outside the volume or covers the centre of no voxel.
    """
    middle, half = np.asarray(centre, np.float64), np.asarray(half_axes, np.float64)
    if not np.isfinite(middle).all() or not np.isfinite(half).all() or not half.any():
        raise PromptError(
            f"The ROI was never placed: its centre is {middle.tolist()} and half of its size "
            f"{np.linalg.norm(half, axis=0).tolist()}. Place it first."
        )
    axis = axis or geometry.acquisition_axis
    check_system(system)
    check_axis(axis)
    normal = axis_index(axis)
    with np.errstate(over="ignore", invalid="ignore"):
        corners = np.round(geometry.ijk_from(middle + _SIGNS @ half.T, system), VOXEL_DIGITS)
    last = np.array(geometry.shape_ijk) - 1
    is_far = not (np.abs(corners) < _FAR).all()
    if is_far or (corners.max(axis=0) < -0.5).any() or (corners.min(axis=0) > last + 0.5).any():
        raise PromptError(f"The ROI around {middle.tolist()} ({system}) lies outside the volume. Check both.")
    first = max(int(np.ceil(corners[:, normal].min())), 0)
    end = min(int(np.floor(corners[:, normal].max())), int(last[normal])) + 1
    cuts = [(index, _cut(corners, normal, index)) for index in range(first, end)]
    if not cuts:
        cuts = [(_middle_slice(geometry, geometry.ijk_from(middle, system), normal), corners)]
    boxes = [_box(cut, normal, index, last, axis) for index, cut in cuts]
    found = tuple([box for box in boxes if box])
    if not found:
        raise PromptError(f"The ROI around {middle.tolist()} ({system}) holds the centre of no voxel. Make it larger.")
    return found


def _cut(corners: np.ndarray, normal: int, index: int) -> np.ndarray:
    """Corners (n, 3) of the cut of a box in space with the plane `index`, which meets it."""
    a, b = corners[_EDGES[:, 0]], corners[_EDGES[:, 1]]
    from_plane, to_plane = a[:, normal] - index, b[:, normal] - index
    flat = (from_plane == 0) & (to_plane == 0)
    crossing = (from_plane * to_plane <= 0) & ~flat
    share = from_plane[crossing] / (from_plane - to_plane)[crossing]
    crossed = a[crossing] + share[:, None] * (b[crossing] - a[crossing])
    return np.concatenate([crossed, a[flat], b[flat]])


def _box(cut: np.ndarray, normal: int, index: int, last: np.ndarray, axis: str) -> BoxPrompt | None:
    """The voxels of a slice whose centres are inside: a face between two voxels takes the one inside only."""
    near = np.round(cut, VOXEL_DIGITS)
    low, high = np.maximum(np.ceil(near.min(axis=0)), 0), np.minimum(np.floor(near.max(axis=0)), last)
    low[normal] = high[normal] = index
    if (low > high).any():
        return None
    (i, j, k), (p, q, r) = low.astype(int).tolist(), high.astype(int).tolist()
    return BoxPrompt((i, j, k), (p, q, r), axis)


def _middle_slice(geometry: VolumeGeometry, centre_ijk: np.ndarray, normal: int) -> int:
    direction = geometry.ijk_to_ras[:3, normal]
    sign = np.sign(direction[np.abs(direction).argmax()])
    nearest = sign * nearest_voxel(sign * centre_ijk)[normal]
    return int(np.clip(nearest, 0, geometry.shape_ijk[normal] - 1))
