"""What is done to a whole mask by hand: its parts, its holes, its surface; each gives a new mask of the same shape.

All take an array of voxels or of the pixels of one slice, and know nothing outside it.
"""

from __future__ import annotations

import numpy as np

# Beyond three standard deviations a mask weighs 0.3 %.
_TRUNCATE = 3.0


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The part with the most voxels; of equal ones the first. Parts are joined over faces, as Slicer's islands are."""
    labels, sizes = _parts(mask)
    return np.zeros_like(mask) if sizes.size == 0 else labels == 1 + int(sizes.argmax())


def without_small_parts(mask: np.ndarray, least_voxels: float) -> np.ndarray:
    """The mask without its parts of fewer voxels."""
    labels, sizes = _parts(mask)
    return np.concatenate([[False], sizes >= least_voxels])[labels]


def filled(mask: np.ndarray) -> np.ndarray:
    """The mask with its holes, which are what no way over faces leads out of."""
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask), bool)


def median_smoothed(mask: np.ndarray, kernel: tuple[int, ...]) -> np.ndarray:
    """Each voxel as most are in the box around it; kernel: its sides, odd. The array's edge goes on beyond it."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(mask.astype(np.float32), kernel, mode="nearest") > 0.5, bool)


def gaussian_smoothed(mask: np.ndarray, sigma: tuple[float, ...]) -> np.ndarray:
    """The mask blurred and cut at its half, as Slicer's effect does; sigma: standard deviations in voxels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(mask.astype(np.float32), sigma, mode="nearest", truncate=_TRUNCATE) > 0.5, bool)


def odd_kernel(size_mm: float, spacing_mm: tuple[float, ...]) -> tuple[int, ...]:
    """Sides in voxels, odd and at least 1, of the box nearest to a size in mm (Slicer's rule)."""
    return tuple(max(1, 2 * round((size_mm / mm + 1) / 2) - 1) for mm in spacing_mm)


def reach_of(sigma: tuple[float, ...]) -> tuple[int, ...]:
    """How many voxels far `gaussian_smoothed` looks."""
    return tuple(int(_TRUNCATE * part + 0.5) for part in sigma)


def _parts(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each voxel's part, from 1, and the voxels of each part."""
    from scipy.ndimage import label

    labels, count = label(mask)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
