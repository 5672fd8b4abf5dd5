"""The rules of a network's conventions between a slice and it: size, values, channel order, coordinates, masks.

As in SAM-Med2D's published predictor every image is squashed to its square, whatever its size or aspect ratio. Its
training loader differs for images smaller than that square, which it pads with zeros; nothing here does.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..base.interpolation import linear_resize_matrix
from ..base.products import row_product
from ..network.conventions import SAM_MED2D, Conventions
from .resizing import resized_picture

# Multiplications; OpenBLAS's own bound.
_LARGEST_PRODUCT_OF_ONE_THREAD = 2**18


def network_pixels(
    image: np.ndarray, size: int, image_format: str = "RGB", conventions: Conventions = SAM_MED2D
) -> np.ndarray:
    """Bring a uint8 image (H, W) or (H, W, 3) to (size, size, 3), its channels in the network's order.

    uint8 where these conventions have whole pixels, else float32 on the same 0..255 scale. Gray images become three
    equal channels. SAM-Med2D was trained on pictures read by OpenCV, whose order is blue, green, red.
    """
    pixels = resized_picture(image, conventions.resized_shape(image.shape[:2], size), conventions.interpolation)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    elif image_format != conventions.channel_order:
        pixels = pixels[:, :, ::-1]
    if conventions.stretches_values:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = ((pixels - low) * (255 / max(high - low, 1))).astype(np.float32)
    if conventions.keeps_aspect:
        # Zero once it is normalised.
        square = np.full((size, size, 3), conventions.pixel_mean, np.float32)
        square[: pixels.shape[0], : pixels.shape[1]] = pixels
        return square
    return np.ascontiguousarray(pixels)


def network_coordinates(
    xy: np.ndarray, image_shape: tuple[int, int], size: int, conventions: Conventions = SAM_MED2D
) -> np.ndarray:
    """Scale x, y pairs (..., 2) from an image of shape (H, W) to the network's square, float32."""
    height, width = image_shape
    rows, columns = conventions.resized_shape(image_shape, size)
    return (np.asarray(xy, np.float64) * (columns / width, rows / height)).astype(np.float32)


def mask_probabilities(logits: np.ndarray) -> np.ndarray:
    """Sigmoid of logits, float32: the mask prompt of SAM-Med2D, and what MedSAM brings to the size of the image."""
    return (1 / (1 + np.exp(-np.clip(logits, -60, 60).astype(np.float32)))).astype(np.float32)


def mask_prompt(low_res_mask: np.ndarray, conventions: Conventions) -> np.ndarray:
    """Return the mask prompt for logits (1, n, n) of an earlier answer, float32 (1, 1, n, n)."""
    is_probability = conventions.mask_prompt == "probabilities"
    return (mask_probabilities(low_res_mask) if is_probability else low_res_mask)[None]


def full_size_logits(
    low_res_masks: np.ndarray, image_shape: tuple[int, int], size: int, conventions: Conventions = SAM_MED2D
) -> np.ndarray:
    """Logits (C, H, W) float32 from low-resolution ones (C, n, n).

    Interpolated bilinearly by way of what the image takes of the square of `size`; or else the logits of bilinear
    probabilities, which came straight from the low resolution.
    """
    side, values = low_res_masks.shape[-1], low_res_masks.astype(np.float32)
    if conventions.resized_masks == "probabilities":
        direct = [linear_resize_matrix(side, target) for target in image_shape]
        return _logits(_resampled(mask_probabilities(values), *direct))
    seen = conventions.resized_shape(image_shape, size)
    return _resampled(values, *(_two_steps(side, size, part, to) for part, to in zip(seen, image_shape, strict=True)))


def _resampled(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    tall = _along_last_axis(values.swapaxes(1, 2), rows)
    return _along_last_axis(tall.swapaxes(1, 2), columns)


def _logits(probabilities: np.ndarray) -> np.ndarray:
    inner = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.log(inner / (1 - inner))


@functools.lru_cache(maxsize=8)
def _two_steps(source: int, middle: int, part: int, target: int) -> np.ndarray:
    """To the middle size, of which the first `part` is resampled to the target."""
    return row_product(linear_resize_matrix(part, target), linear_resize_matrix(source, middle)[:part])


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
