"""A brush that paints voxels or erases them, by its size in the world: a disc on what a view shows, or a ball."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .geometry import AXES, VOXEL_DIGITS, axis_index, nearest_voxel
from .slices import SliceKey

MIN_BRUSH_MM, MAX_BRUSH_MM = 0.5, 200.0
# A large brush on a fine grid reaches a hundred million voxels: their distances are taken part by part.
_MOST_VOXELS = 2**20
# Share of the diameter.
_LEAST_WAY = 0.01


@dataclass(frozen=True)
class Brush:
    """diameter_mm: in the world. is_ball: paints a ball in space; else a disc, on the slice that is shown alone."""

    diameter_mm: float = 10.0
    is_ball: bool = False


@dataclass(frozen=True, eq=False)
class BrushStroke:
    """A stroke of the brush or the eraser.

    path_ijk: (N, 3) continuous voxel positions of its middle, joined by straight lines. steps_mm: (3, 3), in its
    columns the ways in the world from a voxel to the next ones along I, J and K, mm. normal: (3,) unit vector in the
    world, out of the plane that is painted on. axis: slices are perpendicular to it. erases: takes voxels away.
    """

    path_ijk: np.ndarray
    steps_mm: np.ndarray
    normal: np.ndarray
    axis: str
    brush: Brush = field(default_factory=Brush)
    erases: bool = False

    def planes(self, shape_ijk: tuple[int, ...]) -> Iterator[tuple[SliceKey, np.ndarray]]:
        """The slices along `axis` that it touches, each with (rows, columns) bool in storage order.

        A ball has the voxels whose centre it reaches. A disc has those that the plane cuts, which are the ones that are
        seen there, and whose centre lies under it as one looks at the plane. The voxels under its middle always count.
        """
        low, high = self._bounds(shape_ijk)
        if (low > high).any():
            return
        voxels = np.zeros((high - low + 1)[::-1], bool)
        path = self._thinned_path()
        for start, end in pairwise([path[0], *path]):
            self._sweep(voxels, low, start, end)
        for voxel in nearest_voxel(path).astype(int):
            if (low <= voxel).all() and (voxel <= high).all():
                voxels[tuple((voxel - low)[::-1])] = True
        normal = axis_index(self.axis)
        columns, rows = [n for n in range(3) if n != normal]
        for offset, plane in enumerate(np.moveaxis(voxels, 2 - normal, 0)):
            if plane.any():
                whole = np.zeros((shape_ijk[rows], shape_ijk[columns]), bool)
                whole[low[rows] : high[rows] + 1, low[columns] : high[columns] + 1] = plane
                yield SliceKey(AXES[normal], int(low[normal]) + offset), whole

    @property
    def _reach(self) -> np.ndarray:
        """(3,) voxels along I, J and K that a voxel may be away from the middle of the brush."""
        inverse = np.linalg.inv(self.steps_mm)
        ball = self.brush.diameter_mm / 2 * np.linalg.norm(inverse, axis=1)
        return ball if self.brush.is_ball else ball + np.abs(inverse @ self.normal) * self._half_cell

    @property
    def _half_cell(self) -> float:
        """How far from the plane the centre of a voxel may be that it cuts, mm."""
        return float(np.abs(self.steps_mm.T @ self.normal).sum() / 2)

    def _is_cut(self, height_mm: np.ndarray) -> np.ndarray:
        """Whether the plane cuts voxels whose centres are so high above it; of two that meet in it, one, as always."""
        upwards = np.sign(self.steps_mm[:, axis_index(self.axis)] @ self.normal)
        share = np.round(upwards * height_mm / (2 * self._half_cell), VOXEL_DIGITS)
        return np.asarray((share > -0.5) & (share <= 0.5), bool)

    def _thinned_path(self) -> np.ndarray:
        """The path without positions within a third of a voxel of the one before, or a hundredth of the brush."""
        kept, least_mm = [self.path_ijk[0]], _LEAST_WAY * self.brush.diameter_mm
        for point in self.path_ijk[1:]:
            way = point - kept[-1]
            if np.abs(way).max() > 1 / 3 and np.linalg.norm(self.steps_mm @ way) > least_mm:
                kept.append(point)
        return np.array([*kept, self.path_ijk[-1]])

    def _bounds(self, shape_ijk: tuple[int, ...], *points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        path = np.array(points or self.path_ijk)
        low = np.floor(path.min(axis=0) - self._reach).astype(int)
        high = np.ceil(path.max(axis=0) + self._reach).astype(int)
        return np.maximum(low, 0), np.minimum(high, np.array(shape_ijk) - 1)

    def _sweep(self, voxels: np.ndarray, low: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
        """Add what the brush covers on its way between two positions; low: first voxel of the array (K, J, I)."""
        first, last = self._bounds(tuple(low + voxels.shape[::-1]), start, end)
        first = np.maximum(first, low)
        if (first > last).any():
            return
        count = max(1, _MOST_VOXELS // int(np.prod(last[:2] - first[:2] + 1)))
        for begin in range(first[2], last[2] + 1, count):
            lowest, highest = np.array([*first[:2], begin]), np.array([*last[:2], min(begin + count - 1, last[2])])
            self._cover(voxels, low, lowest, highest, start, end)

    def _cover(
        self,
        voxels: np.ndarray,
        low: np.ndarray,
        first: np.ndarray,
        last: np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
    ) -> None:
        """As `_sweep`, of the voxels from `first` to `last`, both included."""
        k, j, i = np.ogrid[tuple(slice(a, b + 1) for a, b in zip(first[::-1], last[::-1], strict=True))]
        away = [i - start[0], j - start[1], k - start[2]]
        x, y, z = [sum(step * part for step, part in zip(row, away, strict=True)) for row in self.steps_mm]
        way = self.steps_mm @ (end - start)
        is_cut = np.ones((1, 1, 1), bool)
        if not self.brush.is_ball:
            height = self.normal[0] * x + self.normal[1] * y + self.normal[2] * z
            is_cut = self._is_cut(height)
            x, y, z = [part - height * n for part, n in zip((x, y, z), self.normal, strict=True)]
            way = way - (way @ self.normal) * self.normal
        length = float(way @ way)
        share = np.clip((x * way[0] + y * way[1] + z * way[2]) / length, 0, 1) if length > 0 else 0.0
        squared = (x - share * way[0]) ** 2 + (y - share * way[1]) ** 2 + (z - share * way[2]) ** 2
        part = tuple(slice(a, b + 1) for a, b in zip((first - low)[::-1], (last - low)[::-1], strict=True))
        voxels[part] |= is_cut & (squared <= (self.brush.diameter_mm / 2) ** 2)
