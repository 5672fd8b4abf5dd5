"""A mask of one slice as one prompt alone edits it, before the model is asked."""

from __future__ import annotations

import numpy as np

from ..prompts import PointPrompt, Prompt
from ..slices import SliceFrame
from ..strokes import LassoPrompt, ScribblePrompt, evenly_along
from .mask_input import lasso_pixels

# Half the width of a scribble's pen, as a share of the slice's longer side: a cell of the mask prompt.
_PEN = 1 / 64


def edited_mask(mask: np.ndarray, frame: SliceFrame, prompt: Prompt) -> np.ndarray:
    """Mask (H, W) bool, canonical orientation, not empty, with what a prompt adds to it or takes away; a new array.

    A click adds or removes the disc around it that reaches to the mask's border, a scribble what lies under its pen; a
    negative lasso removes what it goes round.
    """
    if isinstance(prompt, LassoPrompt):
        return mask & ~lasso_pixels(frame, prompt).mask
    assert isinstance(prompt, PointPrompt | ScribblePrompt), "outlines do not correct"
    path = frame.xy_from_ijk(prompt.voxels_ijk)
    if len(path) == 1:
        changed = _disc_to_border(path[0], ~mask if prompt.positive else mask)
    else:
        changed = _under_pen(path, mask.shape)
    return mask | changed if prompt.positive else mask & ~changed


def _disc_to_border(centre_xy: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(H, W) bool: the disc around a centre (2,) as far as what is `wrong` (H, W) bool around it goes."""
    from scipy.ndimage import distance_transform_edt

    column, row = centre_xy.astype(int)
    if not wrong[row, column]:
        return np.zeros_like(wrong)
    # A mask of the whole slice has no border but that of the slice.
    distance = distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1] if wrong.all() else distance_transform_edt(wrong)
    y, x = np.ogrid[: wrong.shape[0], : wrong.shape[1]]
    disc: np.ndarray = (x - column) ** 2 + (y - row) ** 2 <= distance[row, column] ** 2
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
