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
from ...network.conventions import SAM_MED2D, Conventions, PromptKind
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


@dataclass(frozen=True)
class MaskGrid:
    """The cells of the mask prompt, and which of them a slice lies on.

    side: rows and columns. conventions: of the network, which say how a slice lies on its square.
    """

    side: int = 64
    conventions: Conventions = SAM_MED2D

    @property
    def square(self) -> int:
        """Side of the network's square in pixels."""
        return self.side * _FINER

    def shape_of(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the square that a slice (H, W) takes, from its corner."""
        return self.conventions.resized_shape(shape, self.square)

    def put(self, part: np.ndarray) -> np.ndarray:
        """A mask of what a slice takes of the square, as one of the whole square: nothing is beside the slice."""
        rows, columns = part.shape
        return np.pad(part, ((0, self.square - rows), (0, self.square - columns)))


@dataclass(frozen=True, eq=False)
class LassoPixels:
    """A lasso on its slice in canonical orientation.

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
    """Return whether prompts need a mask prompt: a lasso, or a scribble of more than one voxel."""
    return any(isinstance(prompt, ScribblePrompt | LassoPrompt) and len(prompt.voxels_ijk) > 1 for prompt in prompts)


def kinds_of(prompts: Sequence[Prompt], has_mask: bool = False) -> set[PromptKind]:
    """Return what a network needs to have learnt for these prompts: strokes are points and a mask.

    has_mask: whether an earlier mask is given as well.
    """
    kinds: set[PromptKind] = {"box" if isinstance(prompt, BoxPrompt) else "point" for prompt in prompts}
    return kinds | ({"mask"} if has_mask or has_strokes(prompts) else set())


def seed_prompts(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The one prompt whose answer all strokes of a slice are drawn into: its outline, or the first positive one."""
    outlines = [prompt for prompt in prompts if is_outline(prompt)]
    positive = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt) or prompt.positive]
    return tuple((outlines or positive)[:1])


def draw_strokes(
    low_res_mask: np.ndarray, frame: SliceFrame, prompts: Sequence[Prompt], conventions: Conventions = SAM_MED2D
) -> np.ndarray:
    """Logits (n, n) float32 with the strokes of a slice drawn into them, one after the other.

    low_res_mask: (n, n) logits of the slice's present mask or of its seed's answer; not changed. A positive scribble
    raises the logits under the pen, a negative one and a negative lasso lower them; a positive lasso lowers what lies
    outside of it, from a little inside its line on.
    """
    logits = np.asarray(low_res_mask, np.float32)
    grid = MaskGrid(len(logits), conventions)
    for prompt in prompts:
        if isinstance(prompt, ScribblePrompt):
            under_pen = _distance_to_line(frame, prompt, grid) < _PEN
            bound = np.maximum(logits, _SURE) if prompt.positive else np.minimum(logits, -_SURE)
            logits = np.where(under_pen, bound, logits)
        elif isinstance(prompt, LassoPrompt):
            inside = _in_cells(signed_distance(_finer(lasso_pixels(frame, prompt).mask, grid)), grid)
            rising = np.clip((inside - _OUTSIDE) * _RISE, -_SURE, _SURE)
            logits = np.minimum(logits, rising if prompt.positive else np.where(inside > 0, -_SURE, _SURE))
    return logits.astype(np.float32)


def mask_logits(mask: np.ndarray, grid: MaskGrid) -> np.ndarray:
    """Logits (side, side) float32 that ask for a mask (H, W) bool of which there are none."""
    # Bilinear would take as long as the decoder, for a border that lies a fraction of a cell elsewhere.
    finer = grid.put(resize_nearest(mask, *grid.shape_of(mask.shape)))
    return np.clip(_in_cells(signed_distance(finer), grid) * _RISE, -_SURE, _SURE).astype(np.float32)


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


def _distance_to_line(frame: SliceFrame, scribble: ScribblePrompt, grid: MaskGrid) -> np.ndarray:
    """(side, side) distance of cells to a scribble's line, in cells."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = grid.shape_of((frame.height, frame.width))
    scale = np.array([columns, rows]) / (frame.width, frame.height)
    path = (frame.xy_from_ijk(scribble.path_ijk) + 0.5) * scale
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    x, y = evenly_along(path, 2 * int(length) + 1).astype(int).T
    away = np.ones((grid.square, grid.square), bool)
    away[y, x] = False
    return _in_cells(distance_transform_edt(away), grid)


def _finer(mask: np.ndarray, grid: MaskGrid) -> np.ndarray:
    """A mask (H, W) on the network's square."""
    return grid.put(resize_bilinear(mask, *grid.shape_of(mask.shape)) > 0.5)


def _in_cells(distance: np.ndarray, grid: MaskGrid) -> np.ndarray:
    """Distances on the network's square as those of the cells' centres, in cells."""
    centres: np.ndarray = distance.reshape(grid.side, _FINER, grid.side, _FINER).mean(axis=(1, 3)) / _FINER
    return centres
