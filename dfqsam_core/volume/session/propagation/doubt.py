"""How far each slice can be trusted, and which one a person should prompt next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from ....runtime.together import together
from ..mask_prompts import box_slices, shape_between
from ..trust import Trust
from .stack import Stack
from .stops import overlap


def trust_in(stack: Stack) -> dict[int, Trust]:
    """Return what speaks for each slice that was found, by index, ascending."""
    indices = sorted(stack.found)
    found = together([partial(_trust, stack, index) for index in indices], stack.slices.at_once)
    return dict(zip(indices, found, strict=True))


def next_prompt(stack: Stack, trust: Mapping[int, Trust]) -> int | None:
    """Index of the slice on which one more prompt would help most, None where nothing was found.

    There model, neighbours and other planes agree least, weighed by the slice's size and its distance from the prompts.
    """
    doubts = {index: _doubt(stack, index, found.share) for index, found in trust.items()}
    return max(doubts, key=doubts.__getitem__, default=None)


def _trust(stack: Stack, index: int) -> Trust:
    prediction = stack.found[index]
    likeness = _likeness_to_neighbours(stack, index, stack.mask(prediction))
    planes = stack.agreement_of_planes.get(index)
    estimate: float | None = prediction.chosen_iou
    if not stack.slices.conventions.predicts_iou and prediction.low_res_masks.any():
        # The model has no estimate for any slice; only a shape that stands in has no logits.
        estimate = None
    return Trust(estimate, float(likeness), None if planes is None else float(planes))


def _doubt(stack: Stack, index: int, share: float) -> float:
    """How many pixels may be wrong on a slice, more of them the farther the next prompt is."""
    pixels = np.count_nonzero(stack.mask(stack.found[index]))
    distance = min(abs(index - seed) for seed in stack.seeds)
    # A small slice, or one beside a prompted one, has little to gain. The best of several rules:
    # docs/measured/propagation.md.
    return (1 - share) * pixels * math.sqrt(distance)


def _likeness_to_neighbours(stack: Stack, index: int, mask: np.ndarray) -> float:
    """IoU of a mask and the shape between those of its neighbours, or the only one's; 1 without any."""
    found = [stack.mask_at(neighbour) for neighbour in (index - 1, index + 1)]
    masks = [neighbour for neighbour in found if neighbour is not None]
    if not masks:
        return 1.0
    part = box_slices(mask | masks[0] | masks[-1], 1)
    return overlap(mask[part], shape_between(masks[0][part], masks[-1][part], 0.5))
