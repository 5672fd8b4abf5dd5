"""The slices of the two other axes have a say: what was found is asked for again on each, and two of three axes win."""

from __future__ import annotations

import numpy as np

from ....progress import report
from ...geometry import AXES
from ...slices import SliceFrame, SliceKey, stored_plane
from ..mask_prompts import box_slices, mask_prompts
from ..slice_predictor import SlicePrediction
from .stack import Stack
from .stops import overlap

# Cuts that are too small to be asked for, and what an answer must have in common with its cut.
_LEAST_PIXELS, _LEAST_SIDE, _LEAST_OVERLAP = 6, 3, 0.4


def vote(stack: Stack) -> None:
    """Let all three axes vote on every voxel of what `stack` has found; prompted slices stay.

    The two other axes answer the tight box of what is there on each of their slices. One slice of theirs is one
    encoding and one answer of the model. Slices on which nothing would be left keep what they have.
    """
    masks = {index: stack.seed(index).mask for index in stack.seeds}
    masks |= {index: prediction.mask for index, prediction in stack.found.items()}
    object_kji = np.zeros(stack.session.volume.voxels_kji.shape, bool)
    for index, mask in masks.items():
        stored_plane(object_kji, SliceKey(stack.axis, index))[...] = mask
    votes = object_kji.astype(np.uint8)
    keys = [key for axis in AXES if axis != stack.axis for key in _cut_slices(object_kji, axis)]
    with stack.slices.ahead([key for key in keys if _is_asked(stored_plane(object_kji, key))]):
        for done, key in enumerate(keys):
            report(stack.progress, "other planes", done, len(keys), f"slice {key.axis} {key.index}")
            stored_plane(votes, key)[...] += _answer(stack, key, stored_plane(object_kji, key))
    report(stack.progress, "other planes", len(keys), len(keys))
    for index, before in stack.found.items():
        mask = stored_plane(votes, SliceKey(stack.axis, index)) >= 2
        if mask.any():
            stack.agreement_of_planes[index] = overlap(mask, before.mask)
            stack.found[index] = _with_mask(before, mask)


def _cut_slices(object_kji: np.ndarray, axis: str) -> list[SliceKey]:
    """The slices along an axis that an object meets."""
    others = tuple(n for n, name in enumerate(reversed(AXES)) if name != axis)
    return [SliceKey(axis, int(index)) for index in np.flatnonzero(object_kji.any(axis=others))]


def _answer(stack: Stack, key: SliceKey, cut: np.ndarray) -> np.ndarray:
    """What the model says to the box of a cut (rows, columns) bool, not empty; the cut itself where they disagree."""
    if not _is_asked(cut):
        return cut
    frame = SliceFrame.of(stack.session.volume.geometry, key.axis)
    expected = frame.to_canonical(cut)
    mask = stack.slices.predict(key, mask_prompts(expected, frame, key.index, 0, 0)).mask
    return mask if overlap(mask, cut) >= _LEAST_OVERLAP else cut


def _is_asked(cut: np.ndarray) -> bool:
    """Whether a cut (rows, columns) bool, not empty, is large enough for the model."""
    sides = [part.stop - part.start for part in box_slices(cut, 0)]
    return int(np.count_nonzero(cut)) >= _LEAST_PIXELS and min(sides) >= _LEAST_SIDE


def _with_mask(prediction: SlicePrediction, mask: np.ndarray) -> SlicePrediction:
    """A prediction whose only candidate is another mask (rows, columns), with the estimate and logits of its own."""
    chosen = slice(prediction.chosen, prediction.chosen + 1)
    return SlicePrediction.of(mask[None], prediction.predicted_iou[chosen], prediction.low_res_masks[chosen])
