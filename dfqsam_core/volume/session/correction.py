"""One prompt on a slice with a mask: it edits the mask, and the model is asked about the result.

The disc around a click that reaches to the mask's border is added or removed; then the model is given the box of the
mask so edited, all clicks of the slice and the logits of the mask. A click far from the mask asks for an island by
itself. docs/measured/corrections.md says what each part gives.
"""

from __future__ import annotations

import numpy as np

from ..prompts import BoxPrompt, PointPrompt, Prompt, can_predict
from ..slices import SliceFrame, SliceKey
from .edited_mask import distance_to_border, edited_mask, mask_radius
from .mask_input import mask_logits
from .mask_prompts import mask_prompts
from .slice_predictor import SlicePrediction, SlicePredictor, prompt_points

# An answer keeps at least this share of the mask that it corrects; else the edited mask stays.
MIN_KEPT = 0.5
EMPTIED = "The prompt on {slice} took away all that the segment had there. Take it back, or add another."
KEPT_EDIT = "On {{slice}} the model's {answer}, so your edit alone counts. Take it back, or add another."


def correct(
    slices: SlicePredictor,
    key: SliceKey,
    prompts: tuple[Prompt, ...],
    present: SlicePrediction | None,
    mask: np.ndarray,
) -> tuple[SlicePrediction | None, str]:
    """Prediction after the last of `prompts`, and what is to be said of it, with {slice} for its name; empty for
    nothing.

    prompts: all of the slice, no outline among them. mask: (rows, columns) bool in storage order, as the earlier ones
    left it. present: the prediction that it came from, None for none; it counts as long as it has that mask. The last
    candidate is the mask as the prompt alone edits it.
    """
    if not mask.any():
        return (slices.predict(key, prompts) if can_predict(prompts) else None), ""
    frame = SliceFrame.of(slices.volume.geometry, key.axis)
    before = frame.to_canonical(mask)
    edited = edited_mask(before, frame, prompts)
    if not edited.any():
        return None, EMPTIED
    drawn = mask_logits(edited, slices.mask_grid)
    if _is_island(before, frame, prompts[-1]):
        found = _island(slices, key, prompts, mask, drawn)
    else:
        low_res = _logits_of(present, mask)
        box = mask_prompts(edited, frame, key.index, box_margin=0, points=0)
        found = slices.predict(key, (*prompts, *box), drawn if low_res is None else low_res)
    chosen = _best(found, frame, prompts)
    reason = _refusal(found.with_choice(chosen), mask, prompts[-1])
    both = _beside_edit(found, chosen, frame.to_storage(edited), drawn, is_edit_chosen=bool(reason))
    return both, KEPT_EDIT.format(answer=reason) if reason else ""


def _logits_of(present: SlicePrediction | None, mask: np.ndarray) -> np.ndarray | None:
    """The logits of a mask (rows, columns) bool; None where it was drawn, or is a shape between two slices."""
    if present is None or not np.array_equal(present.mask, mask):
        return None
    logits = present.low_res_masks[present.chosen]
    return logits if logits.any() else None


def _is_island(mask: np.ndarray, frame: SliceFrame, prompt: Prompt) -> bool:
    """Whether a click is meant for something apart from the mask (H, W) bool: farther from it than its own radius."""
    if not isinstance(prompt, PointPrompt) or not prompt.positive:
        return False
    return distance_to_border(mask, frame.xy_from_ijk(prompt.ijk), positive=True) > mask_radius(mask)


def _island(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], mask: np.ndarray, drawn: np.ndarray
) -> SlicePrediction:
    """What the last prompt and the negative ones give by themselves, each candidate together with the mask."""
    against = tuple([prompt for prompt in prompts if not isinstance(prompt, BoxPrompt) and not prompt.positive])
    found = slices.predict(key, (*against, prompts[-1]))
    packed = found.packed_masks | np.packbits(mask)
    low_res = np.maximum(found.low_res_masks, drawn.astype(np.float16))
    return SlicePrediction.packed(packed, found.shape, found.predicted_iou, low_res, found.chosen)


def _best(found: SlicePrediction, frame: SliceFrame, prompts: tuple[Prompt, ...]) -> int:
    """The candidate of the best estimate among those that honour the prompts."""
    honours = _honours(found, frame, prompts)
    estimates = np.where(honours, found.predicted_iou, -np.inf) if any(honours) else found.predicted_iou
    return int(np.argmax(estimates))


def _honours(found: SlicePrediction, frame: SliceFrame, prompts: tuple[Prompt, ...]) -> list[bool]:
    """Of each candidate, whether it holds every positive point of the prompts and no negative one."""
    xy, positive = prompt_points(frame, prompts)
    columns, rows = np.round(xy).astype(int).T
    masks = [frame.to_canonical(found.with_choice(n).mask) for n in range(len(found.predicted_iou))]
    return [np.array_equal(mask[rows, columns], positive) for mask in masks]


def _refusal(found: SlicePrediction, before: np.ndarray, prompt: Prompt) -> str:
    """Why an answer does not correct the mask before, (rows, columns) bool, as asked; empty where it does."""
    mask = found.mask
    if not mask.any():
        return "answer is empty"
    if np.count_nonzero(mask & before) < MIN_KEPT * np.count_nonzero(before):
        return "answer leaves more than half of the mask"
    # Of a stroke the model may take a point for a slip of the hand.
    is_ignored = isinstance(prompt, PointPrompt) and mask[_place_of(prompt)] != prompt.positive
    return "answer does not follow your click" if is_ignored else ""


def _place_of(prompt: PointPrompt) -> tuple[int, int]:
    """Row and column of a click in storage order."""
    column, row = [n for axis, n in zip("IJK", prompt.ijk, strict=True) if axis != prompt.axis]
    return row, column


def _beside_edit(
    found: SlicePrediction, chosen: int, edited: np.ndarray, logits: np.ndarray, is_edit_chosen: bool
) -> SlicePrediction:
    """Candidates with the edited mask, which has no estimate, as the last instead of the one of the least estimate."""
    others = [n for n in np.argsort(-found.predicted_iou, kind="stable").tolist() if n != chosen]
    kept = sorted([chosen, *others[:-1]]) if len(others) > 1 else [chosen, *others]
    packed = np.concatenate([found.packed_masks[kept], np.packbits(edited)[None]])
    low_res = np.concatenate([found.low_res_masks[kept], logits[None].astype(np.float16)])
    estimates = np.append(found.predicted_iou[kept], np.float32(np.nan))
    return SlicePrediction.packed(
        packed, found.shape, estimates, low_res, len(kept) if is_edit_chosen else kept.index(chosen)
    )
