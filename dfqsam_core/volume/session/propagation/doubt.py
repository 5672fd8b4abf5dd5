"""Which slice a person should prompt next: where the model, the neighbours and the other planes agree least."""

from __future__ import annotations

import math

import numpy as np

from ..mask_prompts import box_slices, shape_between
from .stack import Stack
from .stops import overlap


def next_prompt(stack: Stack) -> int | None:
    """Index of the slice on which one more prompt would help most, None where nothing was found."""
    doubts = {index: _doubt(stack, index) for index in sorted(stack.found)}
    return max(doubts, key=doubts.__getitem__, default=None)


def _doubt(stack: Stack, index: int) -> float:
    """How many pixels may be wrong on a slice, more of them the farther the next prompt is."""
    prediction = stack.found[index]
    mask = stack.mask(prediction)
    estimate = 0.0 if math.isnan(prediction.chosen_iou) else prediction.chosen_iou
    agreement = estimate * _likeness_to_neighbours(stack, index, mask) * stack.agreement_of_planes.get(index, 1.0)
    distance = min(abs(index - seed) for seed in stack.seeds)
    # A small slice, or one beside a prompted one, has little to gain. The best of several rules:
    # docs/measured/propagation.md.
    return (1 - agreement) * np.count_nonzero(mask) * math.sqrt(distance)


def _likeness_to_neighbours(stack: Stack, index: int, mask: np.ndarray) -> float:
    """IoU of a mask and the shape between those of its neighbours, or the only one's; 1 without any."""
    found = [stack.mask_at(neighbour) for neighbour in (index - 1, index + 1)]
    masks = [neighbour for neighbour in found if neighbour is not None]
    if not masks:
        return 1.0
    part = box_slices(mask | masks[0] | masks[-1], 1)
    return overlap(mask[part], shape_between(masks[0][part], masks[-1][part], 0.5))
