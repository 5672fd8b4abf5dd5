"""Scribbles and lassos as the model hears of them: points, and a mask prompt they are drawn into.

The constants, and the rule of `seed_prompts`, were chosen by Dice on labelled slices; docs/measured/strokes.md says
what they give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...base.interpolation import resize_bilinear, resize_nearest
from ..polygons import filled_polygon
from ..prompts import BoxPrompt, Prompt, is_outline
from ..slices import SliceFrame
from ..strokes import LassoPrompt, ScribblePrompt, evenly_along
from .mask_prompts import deep_points, signed_distance

# Logits that the model itself rarely goes beyond.
_SURE = 6.0
# Lengths in cells of the mask prompt: half the width of a pen, how far a hand draws outside of what it means, and how
# fast the logits rise from there.
_PEN, _OUTSIDE, _RISE = 1.0, 0.75, 2.0
# Pixels of the network's square a cell.
_FINER = 4


@dataclass(frozen=True, eq=False)
class LassoPixels:
    """What a lasso is on its slice in canonical orientation.

    mask: (H, W) bool, read-only. deepest_xy: (2,) the pixel farthest from its line.
    """

    mask: np.ndarray
    deepest_xy: np.ndarray


@lru_cache(maxsize=8)
def lasso_pixels(frame: SliceFrame, lasso: LassoPrompt) -> LassoPixels:
    """The pixels of a lasso; kept for a while, since one prediction asks several times."""
    xy = frame.xy_from_ijk(lasso.vertices_ijk).astype(int)
    mask = filled_polygon([(x, y) for x, y in xy.tolist()], (frame.height, frame.width))
    mask.flags.writeable = False
    (left, top), (right, bottom) = xy.min(axis=0), xy.max(axis=0) + 1
    return LassoPixels(mask, deep_points(mask[top:bottom, left:right], 1)[0] + (left, top))


def has_strokes(prompts: Sequence[Prompt]) -> bool:
    """Whether prompts need a mask prompt: a lasso, or a scribble of more than one voxel, which is no mere point."""
    return any(isinstance(prompt, ScribblePrompt | LassoPrompt) and len(prompt.voxels_ijk) > 1 for prompt in prompts)


def seed_prompts(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The one prompt whose answer all strokes of a slice are drawn into: its outline, or the first positive one."""
    outlines = [prompt for prompt in prompts if is_outline(prompt)]
    positive = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt) or prompt.positive]
    return tuple((outlines or positive)[:1])


def draw_strokes(low_res_mask: np.ndarray, frame: SliceFrame, prompts: Sequence[Prompt]) -> np.ndarray:
    """Logits (n, n) float32 with the strokes of a slice drawn into them, one after the other.

    low_res_mask: (n, n) logits of the slice's present mask or of its seed's answer; not changed. A positive scribble
    raises the logits under the pen, a negative one and a negative lasso lower them; a positive lasso lowers what lies
    outside of it, from a little inside its line on.
    """
    logits = np.asarray(low_res_mask, np.float32)
    side = len(logits)
    for prompt in prompts:
        if isinstance(prompt, ScribblePrompt):
            under_pen = _distance_to_line(frame, prompt, side) < _PEN
            bound = np.maximum(logits, _SURE) if prompt.positive else np.minimum(logits, -_SURE)
            logits = np.where(under_pen, bound, logits)
        elif isinstance(prompt, LassoPrompt):
            inside = _in_cells(signed_distance(_finer(lasso_pixels(frame, prompt).mask, side)), side)
            rising = np.clip((inside - _OUTSIDE) * _RISE, -_SURE, _SURE)
            logits = np.minimum(logits, rising if prompt.positive else np.where(inside > 0, -_SURE, _SURE))
    return logits.astype(np.float32)


def mask_logits(mask: np.ndarray, side: int) -> np.ndarray:
    """Logits (side, side) float32 that ask for a mask (H, W) bool of which there are none."""
    # Bilinear would take as long as the decoder, for a border that lies a fraction of a cell elsewhere.
    finer = resize_nearest(mask, side * _FINER, side * _FINER)
    return np.clip(_in_cells(signed_distance(finer), side) * _RISE, -_SURE, _SURE).astype(np.float32)


def within_lasso(masks: np.ndarray, frame: SliceFrame, prompts: Sequence[Prompt], clicks_xy: np.ndarray) -> np.ndarray:
    """Masks (C, H, W) bool without what lies outside the positive lasso, if there is one.

    clicks_xy: (n, 2) positive points; where one lies outside, the person has gone beyond the lasso: it cuts nothing.
    """
    for prompt in prompts:
        if isinstance(prompt, LassoPrompt) and prompt.positive:
            mask = lasso_pixels(frame, prompt).mask
            columns, rows = np.round(clicks_xy).astype(int).T
            return masks & mask if mask[rows, columns].all() else masks
    return masks


def _distance_to_line(frame: SliceFrame, scribble: ScribblePrompt, side: int) -> np.ndarray:
    """(side, side) distance of cells to a scribble's line, in cells."""
    from scipy.ndimage import distance_transform_edt

    size = side * _FINER
    scale = size / np.array([frame.width, frame.height])
    path = (frame.xy_from_ijk(scribble.path_ijk) + 0.5) * scale
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    columns, rows = evenly_along(path, 2 * int(length) + 1).astype(int).T
    away = np.ones((size, size), bool)
    away[rows, columns] = False
    return _in_cells(distance_transform_edt(away), side)


def _finer(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask (H, W) on the network's square."""
    return resize_bilinear(mask, side * _FINER, side * _FINER) > 0.5


def _in_cells(distance: np.ndarray, side: int) -> np.ndarray:
    """Distances on the network's square as those of the cells' centres, in cells."""
    centres: np.ndarray = distance.reshape(side, _FINER, side, _FINER).mean(axis=(1, 3)) / _FINER
    return centres
