"""From a prompted slice to where the object is known to end: boxes that taper, and go where the images move."""

from __future__ import annotations

from .boxes import box_of_mask, centroid, scaled_box, scaled_mask, taper
from .registration import moved_mask
from .stack import Stack
from .stops import END_OF_OBJECT, END_OF_RANGE, Stop, overlap

# Below these an answer is no estimate of what is expected, which stands in.
_LEAST_OVERLAP, _LEAST_PREDICTED_IOU = 0.5, 0.4


def to_the_end(stack: Stack, seed: int, reach: int, end: int, direction: int) -> Stop:
    """Predict the slices from `seed` to `reach`, each from its own box; the object ends at `end`, there or beyond.

    The boxes are the seed's, tapered as an ellipsoid is, unless the volume itself ends there and cuts the object. Their
    centres go where the seed's mask goes when it moves as the images do, with no answer of the model in between.
    """
    first = stack.seed(seed)
    mask, image = stack.mask(first), stack.image(seed)
    box = stack.seed_box(seed)
    box = box_of_mask(mask) if box is None else box
    moved, middle = mask, centroid(mask)
    is_cut = end in (0, stack.size - 1)
    for index in range(seed + direction, reach + direction, direction):
        neighbour = stack.image(index)
        moved, image = moved_mask(moved, image, neighbour), neighbour
        share = 1.0 if is_cut else taper(abs(index - seed), abs(end - seed))
        shift = centroid(moved) - middle
        prediction = stack.ask_for_box(index, scaled_box(box, share, shift), None, neighbour)
        expected, found = scaled_mask(mask, share, shift), stack.mask(prediction)
        is_unlike = not found.any() or prediction.chosen_iou < _LEAST_PREDICTED_IOU
        if expected.any() and (is_unlike or overlap(found, expected) < _LEAST_OVERLAP):
            prediction = stack.shape_alone(expected, first)
        stack.found[index] = prediction
    return Stop(direction, reach, END_OF_OBJECT if reach == end else END_OF_RANGE)
