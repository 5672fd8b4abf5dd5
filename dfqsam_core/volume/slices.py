"""Slices along I, J and K, shown to the network in one anatomical orientation whatever the storage order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .geometry import AXES, VolumeGeometry, axis_index


@dataclass(frozen=True, order=True)
class SliceKey:
    """One slice: the axis it is perpendicular to ("I", "J" or "K") and its index along that axis."""

    axis: str
    index: int


@dataclass(frozen=True)
class SliceFrame:
    """How the slices of one axis lie in the canonical orientation: an exact permutation and flips, no resampling.

    Canonical is the radiological display of the closest anatomical plane: axial with rows A to P, coronal and sagittal
    with rows S to I; columns R to L (image left is the patient's right), in sagittal slices A to P.
    Pixels are (x, y) = (column, row). Pixels of unequal side stay as they are: the model squashes every slice to a
    square of its own, with no regard to spacing, and was trained that way.

    axis, row_axis, column_axis: 0, 1, 2 for I, J, K. row_flipped, column_flipped: run against the storage order.
    height, width: pixels. spacing_mm: distance of neighbouring rows and of neighbouring columns.
    """

    axis: int
    row_axis: int
    column_axis: int
    row_flipped: bool
    column_flipped: bool
    height: int
    width: int
    spacing_mm: tuple[float, float]

    @classmethod
    def of(cls, geometry: VolumeGeometry, axis: str) -> SliceFrame:
        """Frame of the slices of `geometry` perpendicular to `axis` ("I", "J" or "K")."""
        normal = axis_index(axis)
        anatomical = geometry.anatomical_axes
        # R before A before S: in each of the three planes the columns follow the first of its two patient axes.
        column, row = sorted([a for a in range(3) if a != normal], key=anatomical.__getitem__)
        shape, spacing = geometry.shape_ijk, geometry.spacing_mm
        return cls(
            axis=normal,
            row_axis=row,
            column_axis=column,
            row_flipped=geometry.orientation[row] in "RAS",
            column_flipped=geometry.orientation[column] in "RAS",
            height=shape[row],
            width=shape[column],
            spacing_mm=(spacing[row], spacing[column]),
        )

    def to_canonical(self, plane: np.ndarray) -> np.ndarray:
        """View (height, width) of a storage-order plane, as `stored_plane` returns it; writing to it writes there."""
        turned = plane if self.row_axis > self.column_axis else plane.T
        return turned[:: -1 if self.row_flipped else 1, :: -1 if self.column_flipped else 1]

    def to_storage(self, image: np.ndarray) -> np.ndarray:
        """View of canonical images (..., height, width) in storage order: the exact inverse of `to_canonical`."""
        turned = image[..., :: -1 if self.row_flipped else 1, :: -1 if self.column_flipped else 1]
        return turned if self.row_axis > self.column_axis else turned.swapaxes(-1, -2)

    def view(self, array_kji: np.ndarray, index: int) -> np.ndarray:
        """Canonical view (height, width) of slice `index` of a volume array in (K, J, I) order."""
        return self.to_canonical(stored_plane(array_kji, SliceKey(AXES[self.axis], index)))

    def xy_from_ijk(self, points_ijk: ArrayLike) -> np.ndarray:
        """Canonical pixel positions (..., 2) of voxel positions (..., 3); whole numbers are pixel centres."""
        array = np.asarray(points_ijk, np.float64)
        x, y = array[..., self.column_axis], array[..., self.row_axis]
        x = self.width - 1 - x if self.column_flipped else x
        y = self.height - 1 - y if self.row_flipped else y
        return np.stack([x, y], axis=-1)

    def ijk_from_xy(self, points_xy: ArrayLike, index: int) -> np.ndarray:
        """Voxel positions (..., 3) of canonical pixel positions (..., 2) on slice `index`: inverse of `xy_from_ijk`."""
        array = np.asarray(points_xy, np.float64)
        x, y = array[..., 0], array[..., 1]
        points = np.full((*array.shape[:-1], 3), float(index))
        points[..., self.column_axis] = self.width - 1 - x if self.column_flipped else x
        points[..., self.row_axis] = self.height - 1 - y if self.row_flipped else y
        return points


def stored_plane(array_kji: np.ndarray, key: SliceKey) -> np.ndarray:
    """View of one slice of a volume array in (K, J, I) order, the other two axes in storage order."""
    index: list[int | slice] = [slice(None)] * 3
    index[2 - axis_index(key.axis)] = key.index
    return array_kji[tuple(index)]


def plane_shape(shape_kji: tuple[int, ...], axis: str) -> tuple[int, int]:
    """(rows, columns) of a `stored_plane` perpendicular to `axis`."""
    rows, columns = [size for a, size in zip(reversed(AXES), shape_kji, strict=True) if a != axis]
    return rows, columns


def outwards(center: SliceKey, size: int, reach: int, before: SliceKey | None = None) -> list[SliceKey]:
    """The slices around `center`, nearest first, at most `reach` away and inside a stack of `size` slices.

    before: the slice looked at before; all slices ahead of a move along one axis come before those behind it.
    """
    move = center.index - before.index if before is not None and before.axis == center.axis else 0
    steps = sorted(range(-reach, reach + 1), key=lambda step: (step * move < 0, abs(step), -step))
    return [SliceKey(center.axis, center.index + step) for step in steps if step and 0 <= center.index + step < size]
