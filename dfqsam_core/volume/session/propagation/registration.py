"""From one slice of a volume to the next: where what a mask covers has moved to, by the grey values alone.

Demons of Thirion (1998) with the symmetric forces of Vercauteren et al. (2009), in numpy: the same bytes whatever the
number of threads.
"""

from __future__ import annotations

import numpy as np

from ..mask_prompts import box_slices, signed_distance

# Pixels around a mask that are looked at, and the longest side that the registration works on.
_MARGIN_PX, _MARGIN_SHARE, _LONGEST_SIDE = 12, 0.3, 96
# With twice the steps a mask comes no nearer to the next slice's label.
_STEPS, _IMAGE_SIGMA, _FIELD_SIGMA = 15, 0.7, 2.0


def moved_mask(mask: np.ndarray, image: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """A mask of one slice as it lies on its neighbour; the mask itself where nothing would be left of it.

    mask: (H, W) bool, not empty. image, neighbour: (H, W) uint8 as the model sees them, canonical orientation.
    Returns a new (H, W) bool.
    """
    from scipy.ndimage import map_coordinates

    part = box_slices(mask, _MARGIN_PX, _MARGIN_SHARE)
    size = np.array(mask[part].shape)
    step = int(np.ceil(size.max() / _LONGEST_SIDE))
    if size.min() <= step:
        # A line of pixels has no gradient across.
        return mask.copy()
    field = _demons(_prepared(image[part], step), _prepared(neighbour[part], step))
    thin = np.mgrid[: field.shape[1], : field.shape[2]] + field
    distance = map_coordinates(signed_distance(mask[part])[::step, ::step], thin, order=1, mode="nearest")
    if step > 1:
        rows, columns = (np.minimum(np.arange(n) / step, m - 1) for n, m in zip(size, distance.shape, strict=True))
        distance = map_coordinates(distance, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest")
    moved = np.zeros_like(mask)
    moved[part] = distance > 0
    return moved if moved.any() else mask.copy()


def _prepared(image: np.ndarray, step: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    smooth: np.ndarray = gaussian_filter(image.astype(np.float32) / 255, _IMAGE_SIGMA * step)
    return smooth[::step, ::step]


def _demons(image: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """Field (2, H, W) of rows and columns: what the neighbour shows at x lies in the image at x + field."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    places = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    field = np.zeros_like(places)
    fixed = np.array(np.gradient(neighbour))
    for _ in range(_STEPS):
        warped = map_coordinates(image, places + field, order=1, mode="nearest")
        gradient = (np.array(np.gradient(warped)) + fixed) / 2
        difference = warped - neighbour
        weight = difference / ((gradient**2).sum(axis=0) + difference**2 / 2 + 1e-4)
        field -= weight * gradient
        field = gaussian_filter(field, (0, _FIELD_SIGMA, _FIELD_SIGMA))
    return field
