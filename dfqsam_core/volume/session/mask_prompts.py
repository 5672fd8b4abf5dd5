"""A mask of one slice as prompts for its neighbour, and shapes between two masks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..prompts import BoxPrompt, PointPrompt, Prompt, Voxel
from ..slices import SliceFrame


def mask_prompts(
    mask: np.ndarray, frame: SliceFrame, index: int, box_margin: float, points: int, negative_points: int = 0
) -> tuple[Prompt, ...]:
    """Prompts on slice `index` that ask for the shape `mask` (H, W) bool, canonical orientation, not empty.

    box_margin: widening of the box on each side, as a share of its size. points: how many positive points, each as
    deep inside as possible and away from those before it. negative_points: how many negative ones, likewise, in what
    the box holds besides the mask.
    """
    axis = "IJK"[frame.axis]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    margin_x, margin_y = (math.ceil(box_margin * len(line)) if box_margin else 0 for line in (columns, rows))
    low = (max(columns[0] - margin_x, 0), max(rows[0] - margin_y, 0))
    high = (min(columns[-1] + margin_x, frame.width - 1), min(rows[-1] + margin_y, frame.height - 1))
    box = BoxPrompt.from_corners(_voxel(frame, low, index), _voxel(frame, high, index), axis)
    beside = np.zeros_like(mask)
    beside[low[1] : high[1] + 1, low[0] : high[0] + 1] = True
    clicks = [(xy, True) for xy in deep_points(mask, points)]
    clicks += [(xy, False) for xy in deep_points(beside & ~mask, negative_points)]
    return (box, *(PointPrompt(_voxel(frame, xy, index), positive, axis) for xy, positive in clicks))


def _voxel(frame: SliceFrame, xy: ArrayLike, index: int) -> Voxel:
    i, j, k = (int(n) for n in frame.ijk_from_xy(xy, index))
    return i, j, k


def deep_points(mask: np.ndarray, count: int) -> np.ndarray:
    """(n, 2) xy, n <= count: the pixel deepest inside `mask`, then the deepest that is away from those, and so on."""
    from scipy.ndimage import distance_transform_edt

    free = np.pad(mask, 1)
    chosen: list[tuple[int, int]] = []
    for _ in range(count):
        depth = distance_transform_edt(free)
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        if depth[row, column] == 0:
            break
        chosen.append((int(column) - 1, int(row) - 1))
        free[row, column] = False
    return np.array(chosen, np.float64).reshape(-1, 2)


def box_slices(mask: np.ndarray, margin_px: int, margin_share: float = 0.0) -> tuple[slice, slice]:
    """Rows and columns of the box of a mask (H, W) bool, not empty, and of a margin around it within the image.

    margin_px: at least so many pixels on each side. margin_share: at least that share of the box's size.
    """
    found = []
    for line in (mask.any(axis=1), mask.any(axis=0)):
        index = np.flatnonzero(line)
        margin = max(margin_px, round(margin_share * len(index)))
        found.append(slice(max(int(index[0]) - margin, 0), int(index[-1]) + margin + 1))
    return found[0], found[1]


def shape_between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Mask (H, W) bool at `share` (0..1) of the way from `first` to `second`, by interpolated signed distances.

    Shape-based interpolation of Raya and Udupa (1990).
    """
    return ShapesBetween(first, second).at(share)


class ShapesBetween:
    """All masks on the way from `first` to `second`, (H, W) bool, whose distances are computed once."""

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        self._size = first.shape
        # Outside of a frame around both no distance is positive, and inside none changes. An empty mask has no frame.
        has_frame = first.any() and second.any()
        self._part = box_slices(first | second, 1) if has_frame else (slice(None), slice(None))
        self._first, self._second = signed_distance(first[self._part]), signed_distance(second[self._part])

    def at(self, share: float) -> np.ndarray:
        """The mask (H, W) bool at `share` (0..1) of the way."""
        mask = np.zeros(self._size, bool)
        mask[self._part] = (1 - share) * self._first + share * self._second > 0
        return mask


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Pixels (H, W) float64 to the border of a mask (H, W) bool, positive inside; its longer side where it has none."""
    from scipy.ndimage import distance_transform_edt

    if not mask.any() or mask.all():
        return np.full(mask.shape, float(max(mask.shape)) * (1 if mask.all() else -1))
    # Half a pixel: the border lies between the pixels of both sides.
    return distance_transform_edt(mask) - distance_transform_edt(~mask) - np.where(mask, 0.5, -0.5)
