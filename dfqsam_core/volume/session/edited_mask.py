"""A mask of one slice as one prompt alone edits it, before the model is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..prompts import PointPrompt, Prompt
from ..slices import SliceFrame
from ..strokes import LassoPrompt, ScribblePrompt, evenly_along
from .mask_input import lasso_pixels
from .slice_predictor import prompt_points

# Half the width of a scribble's pen, as a share of the slice's longer side: a cell of the mask prompt.
_PEN = 1 / 64


def edited_mask(mask: np.ndarray, frame: SliceFrame, prompts: Sequence[Prompt]) -> np.ndarray:
    """Mask (H, W) bool, canonical orientation, not empty, with what the last prompt adds or takes away; a new array.

    A click adds or removes the disc around it that reaches to the mask's border, or less far where an earlier prompt
    says otherwise or the mask itself is smaller; a scribble what lies under its pen; a negative lasso what it goes
    round.
    """
    prompt = prompts[-1]
    if isinstance(prompt, LassoPrompt):
        return mask & ~lasso_pixels(frame, prompt).mask
    assert isinstance(prompt, PointPrompt | ScribblePrompt), "outlines do not correct"
    path = frame.xy_from_ijk(prompt.voxels_ijk)
    if len(path) > 1:
        changed = _under_pen(path, mask.shape)
    else:
        radius = min(distance_to_border(mask, path[0], prompt.positive), mask_radius(mask))
        xy, positive = prompt_points(frame, prompts)
        against = np.linalg.norm(xy[positive != prompt.positive] - path[0], axis=1).min(initial=np.inf)
        changed = _disc(path[0], max(min(radius, against - 1), 0), mask.shape)
    return mask | changed if prompt.positive else mask & ~changed


def mask_radius(mask: np.ndarray) -> float:
    """Pixels: radius of the circle of a mask's area."""
    return float(np.sqrt(np.count_nonzero(mask) / np.pi))


def distance_to_border(mask: np.ndarray, xy: np.ndarray, positive: bool) -> float:
    """Pixels from a click (2,) to the nearest pixel of a mask (H, W) bool, of its outside for a negative click; 0 where
    that is the click's own."""
    rows, columns = np.nonzero(mask if positive else ~mask)
    if not len(rows):
        # A mask of the whole slice has no border but that of the slice.
        return float(min(*(xy + 1), *(np.array(mask.shape[::-1]) - xy)))
    return float(np.sqrt(((columns - xy[0]) ** 2 + (rows - xy[1]) ** 2).min()))


def _disc(centre_xy: np.ndarray, radius: float, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: pixels no farther than `radius` from a centre (2,)."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    disc: np.ndarray = (x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2 <= radius**2
    return disc


def _under_pen(path_xy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: what lies under a pen that follows a path (n, 2)."""
    from scipy.ndimage import distance_transform_edt

    length = np.linalg.norm(np.diff(path_xy, axis=0), axis=1).sum()
    columns, rows = np.round(evenly_along(path_xy, 2 * int(length) + 1)).astype(int).T
    away = np.ones(shape, bool)
    away[rows, columns] = False
    under: np.ndarray = distance_transform_edt(away) <= _PEN * max(shape)
    return under
