"""Slice after slice outwards, and between two prompted slices."""

from __future__ import annotations

from ..mask_prompts import ShapesBetween
from .grey_values import GreyValues
from .registration import moved_mask
from .shapes import box_between, scaled_mask, taper
from .stack import Stack
from .stops import END_OF_OBJECT, END_OF_RANGE, Stop, refusal


def outwards(stack: Stack, seed: int, reach: int, direction: int, end: int | None) -> Stop:
    """Predict slice after slice from `seed` to `reach`, each from the one before.

    What a slice is asked for is the mask before it, moved as the images are. end: the slice on which the object ends,
    `reach` or beyond; None where that is not known: then the first refused answer is the end.
    """
    before, image = stack.seed(seed), stack.image(seed)
    mask = stack.mask(before)
    grey_values = GreyValues.of(mask, image)
    for index in range(seed + direction, reach + direction, direction):
        neighbour = stack.image(index)
        expected = moved_mask(mask, image, neighbour)
        prediction = stack.ask_for_mask(index, expected, before, neighbour)
        mask, image = stack.mask(prediction), neighbour
        likeness = grey_values.share(mask, image) if mask.any() else 0.0
        reason = refusal(mask, expected, prediction, stack.config, likeness)
        if reason is None:
            stack.found[index] = before = prediction
        elif end is None:
            return Stop(direction, index - direction, reason)
        else:
            mask = scaled_mask(expected, _shrinkage(stack, seed, index, end))
            stack.found[index] = stack.shape_alone(mask, before)
    return Stop(direction, reach, END_OF_OBJECT if reach == end else END_OF_RANGE)


def _shrinkage(stack: Stack, seed: int, index: int, end: int) -> float:
    """How much smaller an object gets from the slice before `index`, going from `seed` to where it ends.

    As an ellipsoid does; not where the volume ends there, too, and cuts the object.
    """
    if end in (0, stack.size - 1):
        return 1.0
    distance, length = abs(index - seed), abs(end - seed)
    return taper(distance, length) / taper(distance - 1, length)


def between(stack: Stack, a: int, b: int) -> None:
    """Predict the slices between two seeds from what lies between their boxes, else between their masks.

    The shape between the masks stands in where the model disagrees with it.
    """
    seeds = stack.seed(a), stack.seed(b)
    shapes = ShapesBetween(*map(stack.mask, seeds))
    first_box, second_box = stack.seed_box(a), stack.seed_box(b)
    for index in range(a + 1, b):
        share = (index - a) / (b - a)
        shape = shapes.at(share)
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
