"""What lies between two prompted slices, and how an object gets smaller towards its end."""

from __future__ import annotations

import numpy as np

from ..mask_prompts import box_slices, signed_distance

_LEAST_SHARE, _BEYOND_END = 0.25, 0.75


def box_between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Box (4,) xyxy at `share` (0..1) of the way from `first` to `second`, corner by corner, in fractions of pixels."""
    return (1 - share) * first + share * second


def taper(distance: int, length: int) -> float:
    """Share (0.25..1) of an object's size `distance` slices from where it is largest; it ends after `length` slices.

    The profile of an ellipsoid that ends three quarters of a slice beyond the last one.
    """
    return max(float(np.sqrt(1 - (distance / (length + _BEYOND_END)) ** 2)), _LEAST_SHARE)


def scaled_mask(mask: np.ndarray, share: float) -> np.ndarray:
    """A mask (H, W) bool, not empty, scaled by `share` (0..1) about its centroid; itself where nothing would be left.

    Returns a new array.
    """
    from scipy.ndimage import map_coordinates

    part = box_slices(mask, 1)
    distance = signed_distance(mask[part])
    centre = np.argwhere(mask[part]).mean(axis=0)[:, None, None]
    places = (np.mgrid[: distance.shape[0], : distance.shape[1]] - centre) / share + centre
    scaled = np.zeros_like(mask)
    scaled[part] = map_coordinates(distance, places, order=1, mode="nearest") > 0
    return scaled if scaled.any() else mask.copy()
