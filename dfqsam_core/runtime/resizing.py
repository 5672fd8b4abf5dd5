"""Pictures brought to another size as the programs do that SAM, MedSAM and SAM-Med2D were trained in, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base.interpolation import resize_nearest


def resized_picture(image: np.ndarray, shape: tuple[int, int], interpolation: str) -> np.ndarray:
    """Bring uint8 (H, W) or (H, W, 3) to uint8 of `shape`, gray ones perhaps to three equal channels.

    interpolation: one of `Conventions`.
    """
    return _RESIZERS[interpolation](image, shape)


def _nearest(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return resize_nearest(image, *shape)


def _bilinear(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pillow's, with antialiasing: what torchvision's `resize` does with a picture of Pillow."""
    from PIL import Image

    height, width = shape
    picture = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _bicubic(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A cubic spline behind a Gaussian filter: scikit-image's `resize`, order 3, anti_aliasing, rounded down."""
    from scipy.ndimage import gaussian_filter, zoom

    # Three channels of a gray picture, too: MedSAM was given them, and rounding down shows the last bit of the spline.
    channels = np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image
    factors = np.divide(channels.shape, (*shape, 3))
    smooth = gaussian_filter(channels.astype(np.float64), np.maximum(0, (factors - 1) / 2), mode="mirror")
    larger = zoom(smooth, 1 / factors, order=3, mode="mirror", grid_mode=True)
    return np.clip(larger, image.min(), image.max()).astype(np.uint8)


_RESIZERS: dict[str, Callable[[np.ndarray, tuple[int, int]], np.ndarray]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
}
