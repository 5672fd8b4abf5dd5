"""SAM-Med2D's own rules between a slice and the network: size, channel order, coordinates, masks.

As in its published predictor every image is squashed to the network's square, whatever its size or aspect ratio. Its
training loader differs for images smaller than that square, which it pads with zeros; nothing here does.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..base.interpolation import linear_resize_matrix, resize_nearest
from ..base.products import row_product

# Multiplications; OpenBLAS's own bound.
_LARGEST_PRODUCT_OF_ONE_THREAD = 2**18


def network_pixels(image: np.ndarray, size: int, image_format: str = "RGB") -> np.ndarray:
    """Bring a uint8 image (H, W) or (H, W, 3) to (size, size, 3) by nearest neighbours, in the order blue, green, red.

    SAM-Med2D was trained on pictures read by OpenCV, whose order this is; gray images become three equal channels.
    """
    pixels = resize_nearest(image, size, size)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, ::-1] if image_format == "RGB" else pixels)


def network_coordinates(xy: np.ndarray, image_shape: tuple[int, int], size: int) -> np.ndarray:
    """Scale x, y pairs (..., 2) from an image of shape (H, W) to the network's square, float32."""
    height, width = image_shape
    return (np.asarray(xy, np.float64) * (size / width, size / height)).astype(np.float32)


def mask_probabilities(logits: np.ndarray) -> np.ndarray:
    """The mask prompt of SAM-Med2D, sigmoid of low-resolution logits, float32 (stock SAM takes the logits)."""
    return (1 / (1 + np.exp(-np.clip(logits, -60, 60).astype(np.float32)))).astype(np.float32)


def full_size_logits(low_res_masks: np.ndarray, image_shape: tuple[int, int], size: int) -> np.ndarray:
    """Bilinear logits (C, H, W) float32 from low-resolution ones (C, n, n), by way of the square of `size`."""
    rows, columns = (_two_steps(low_res_masks.shape[-1], size, target) for target in image_shape)
    tall = _along_last_axis(low_res_masks.astype(np.float32).swapaxes(1, 2), rows)
    return _along_last_axis(tall.swapaxes(1, 2), columns)


@functools.lru_cache(maxsize=8)
def _two_steps(source: int, middle: int, target: int) -> np.ndarray:
    return row_product(linear_resize_matrix(middle, target), linear_resize_matrix(source, middle))


def _along_last_axis(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Product (..., m) of values (..., n) and matrix (m, n), on this thread alone.

    numpy's library shares larger products among threads, which then spin for a tenth of a second after each click.
    """
    side = max(1, math.isqrt(_LARGEST_PRODUCT_OF_ONE_THREAD // matrix.shape[1]))
    lines = _in_blocks(values.reshape(-1, matrix.shape[1]), side)[:, None]
    product = lines @ _in_blocks(matrix, side).swapaxes(1, 2)
    whole = product.swapaxes(1, 2).reshape(lines.shape[0] * side, -1)
    return whole[: math.prod(values.shape[:-1]), : len(matrix)].reshape(*values.shape[:-1], len(matrix))


def _in_blocks(lines: np.ndarray, height: int) -> np.ndarray:
    """Lines (m, n) as blocks (ceil(m / height), height, n), zeros behind the last."""
    missing = -len(lines) % height
    return np.pad(lines, ((0, missing), (0, 0))).reshape(-1, height, lines.shape[1])
