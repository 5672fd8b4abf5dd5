"""Linear and nearest resampling of small tables, with the pixel rule of the networks (half-pixel centres)."""

from __future__ import annotations

import numpy as np


def linear_resize_matrix(source: int, target: int) -> np.ndarray:
    """Matrix (target, source) float32 that resamples a line linearly, half-pixel centres, edges held.

    Equals torch's `interpolate(mode="linear", align_corners=False)`; no smoothing when shrinking.
    """
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, source - 1)
    weight = position - low
    matrix = np.zeros((target, source), np.float64)
    rows = np.arange(target)
    np.add.at(matrix, (rows, low), 1 - weight)
    np.add.at(matrix, (rows, high), weight)
    return matrix.astype(np.float32)


def resize_bilinear(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample the last two axes of `images` (..., H, W) to (..., height, width), bilinear, float32."""
    rows = linear_resize_matrix(images.shape[-2], height)
    columns = linear_resize_matrix(images.shape[-1], width)
    return rows @ images.astype(np.float32) @ columns.T


def resize_nearest(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample the first two axes of `image` (H, W, ...) by the nearest-lower rule that SAM-Med2D was trained with."""
    rows = np.minimum((np.arange(height) * (image.shape[0] / height)).astype(int), image.shape[0] - 1)
    columns = np.minimum((np.arange(width) * (image.shape[1] / width)).astype(int), image.shape[1] - 1)
    return image[rows[:, None], columns[None, :]]
