"""Slice after slice outwards, and between two prompted slices."""

from __future__ import annotations

from ..mask_prompts import shape_between
from .boxes import box_between
from .grey_values import GreyValues
from .registration import moved_mask
from .stack import Stack
from .stops import END_OF_RANGE, Stop, refusal


def outwards(stack: Stack, seed: int, end: int, direction: int) -> Stop:
    """Predict slice after slice from `seed` to `end`, each from the one before, until one is refused.

    What a slice is asked for is the mask before it, moved as the images are.
    """
    before, image = stack.seed(seed), stack.image(seed)
    mask, reached = stack.mask(before), seed
    grey_values = GreyValues.of(mask, image)
    for index in range(seed + direction, end + direction, direction):
        neighbour = stack.image(index)
        expected = moved_mask(mask, image, neighbour)
        prediction = stack.ask_for_mask(index, expected, before, neighbour)
        found = stack.mask(prediction)
        likeness = grey_values.share(found, neighbour) if found.any() else 0.0
        reason = refusal(found, expected, prediction, stack.config, likeness)
        if reason:
            return Stop(direction, reached, reason)
        stack.found[index] = prediction
        mask, image, before, reached = found, neighbour, prediction, index
    return Stop(direction, reached, END_OF_RANGE)


def between(stack: Stack, a: int, b: int) -> None:
    """Predict the slices between two seeds from what lies between their boxes, else between their masks.

    The shape between the masks stands in where the model disagrees with it.
    """
    seeds = stack.seed(a), stack.seed(b)
    first, second = map(stack.mask, seeds)
    first_box, second_box = stack.seed_box(a), stack.seed_box(b)
    for index in range(a + 1, b):
        share = (index - a) / (b - a)
        shape = shape_between(first, second, share)
        if not shape.any():
            continue
        nearest = seeds[0] if index - a <= b - index else seeds[1]
        if first_box is None or second_box is None:
            prediction = stack.ask_for_mask(index, shape, nearest)
        else:
            prediction = stack.ask_for_box(index, box_between(first_box, second_box, share), nearest)
        if refusal(stack.mask(prediction), shape, prediction, stack.config):
            prediction = stack.shape_alone(shape, nearest)
        stack.found[index] = prediction
