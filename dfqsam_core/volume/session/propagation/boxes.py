"""Boxes in 3D: between two prompted slices, and from a prompted slice to where the object ends.

Boxes are (4,) xyxy in pixels of a slice in canonical orientation, x1 and y1 exclusive.
"""

from __future__ import annotations

import numpy as np

from ..mask_prompts import box_slices, signed_distance

# Not all of a mask's box is in the mask's answer: what is answered is narrower than its box (docs/propagation.md).
_BESIDE_MASK = 0.025
_LEAST_SHARE, _BEYOND_END = 0.25, 0.75


def box_between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Box at `share` (0..1) of the way from `first` to `second`, corner by corner."""
    return (1 - share) * first + share * second


def box_of_mask(mask: np.ndarray) -> np.ndarray:
    """Box of a mask (H, W) bool, not empty, widened as far as an answer falls short of its box."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
    return scaled_box(box, 1 + 2 * _BESIDE_MASK)


def taper(distance: int, length: int) -> float:
    """Share (0.25..1) of an object's size `distance` slices from where it is largest; it ends after `length` slices.

    The profile of an ellipsoid that ends three quarters of a slice beyond the last one.
    """
    return max(float(np.sqrt(1 - (distance / (length + _BEYOND_END)) ** 2)), _LEAST_SHARE)


def scaled_box(box: np.ndarray, share: float, shift_yx: np.ndarray | None = None) -> np.ndarray:
    """A box scaled about its centre, and moved by rows and columns."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    centre = centre if shift_yx is None else centre + shift_yx[::-1]
    return np.concatenate([centre - share * half, centre + share * half])


def scaled_mask(mask: np.ndarray, share: float, shift_yx: np.ndarray) -> np.ndarray:
    """A mask (H, W) bool, not empty, scaled by `share` (0..1) about its centroid and moved by `shift_yx` pixels.

    A new array; empty where nothing is left, or all is moved out of the image.
    """
    from scipy.ndimage import map_coordinates

    part = box_slices(mask, 1)
    centre = centroid(mask[part])[:, None, None]
    distance = signed_distance(mask[part])
    places = (np.mgrid[: distance.shape[0], : distance.shape[1]] - centre) / share + centre
    inside = np.argwhere(map_coordinates(distance, places, order=1, mode="nearest") > 0)
    inside += np.round(shift_yx).astype(int) + [side.start for side in part]
    inside = inside[((inside >= 0) & (inside < mask.shape)).all(axis=1)]
    scaled = np.zeros_like(mask)
    scaled[tuple(inside.T)] = True
    return scaled


def centroid(mask: np.ndarray) -> np.ndarray:
    """(2,) row and column of the middle of a mask (H, W) bool, not empty."""
    middle: np.ndarray = np.argwhere(mask).mean(axis=0)
    return middle
