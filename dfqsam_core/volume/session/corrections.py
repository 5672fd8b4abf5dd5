"""Prompts on a slice that has a mask already: they correct that mask, one after the other.

What a click does: the disc around it that reaches to the mask's border is added or removed, and the model is asked with
the box of the mask so edited, all clicks of the slice and the logits of the mask. A click far from the mask asks for an
island by itself. docs/corrections.md says what each part gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..prompts import BoxPrompt, PointPrompt, Prompt, can_predict, is_outline
from ..slices import SliceFrame, SliceKey
from .edited_mask import distance_to_border, edited_mask, mask_radius
from .mask_input import mask_logits
from .mask_prompts import mask_prompts
from .slice_predictor import SlicePrediction, SlicePredictor, pixel_prompts
from .slice_state import CorrectedMask, SliceState

# An answer shares at least this much with the mask as edited, as IoU; else the edited mask stays.
MIN_KEPT = 0.5
EMPTIED = "The prompt removed all that the segment had on slice {axis} {index}. Undo brings it back."
KEPT_EDIT = (
    "Slice {axis} {index}: the model's {answer}, so the mask stays as your prompt alone edited it. "
    "Undo it, choose another mask, or add a prompt."
)


@dataclass(frozen=True, eq=False)
class SlicePresent:
    """What a segment has on a slice when its prompts change there.

    state: of the session. mask: (rows, columns) bool in storage order, what prompts would correct, drawn by hand and
    loaded included; None where there is nothing, or what prompts of this slice, or lone slices of other axes, drew, and
    where all was erased by hand: a fresh start.
    """

    state: SliceState
    mask: np.ndarray | None

    def begun(self, prompts: tuple[Prompt, ...]) -> CorrectedMask | None:
        """The mask that `prompts` correct: the known one, with what was drawn by hand since, or the present one."""
        state = self.state
        if self.mask is None:
            return None
        if state.corrected is None:
            is_edit = bool(prompts) and not any(map(is_outline, prompts))
            return CorrectedMask.of(self.mask, state.prediction) if is_edit else None
        predicted = state.mask(self.mask.shape)
        if np.array_equal(predicted, self.mask):
            return state.corrected
        drawn = (state.corrected.mask | (self.mask & ~predicted)) & ~(predicted & ~self.mask)
        return CorrectedMask.of(drawn, state.corrected.prediction)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a slice has after its prompts changed.

    note: a sentence where that is not what the model said, else empty. replaced: (rows, columns) bool in storage order,
    the mask that was corrected, with what was drawn by hand; None where the prompts are predicted by themselves.
    """

    state: SliceState
    note: str = ""
    replaced: np.ndarray | None = None


def is_asked(prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False) -> bool:
    """Whether it takes the model to say what prompts select; parameters as of `answer`."""
    has_mask = present.mask is not None or (refine and present.state.prediction is not None)
    return can_predict(prompts, has_mask)


def answer(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False
) -> Answer:
    """What a segment has on a slice when `prompts` are all its prompts there.

    A first point, scribble or negative lasso on a slice with a mask corrects it, and so do those that follow; a prompt
    taken back is as if it had never been given. An outline (a box, a positive lasso) says anew what the segment is:
    then the answer depends on the prompts alone. refine: there, start from the logits of the slice's present mask.
    """
    if is_asked(prompts, present, refine):
        return ask_model(slices, key, prompts, present, refine)
    begun = None if present.mask is None else present.begun(prompts)
    return Answer(SliceState(prompts, None if begun is None else begun.prediction))


def ask_model(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False
) -> Answer:
    """`answer` where `is_asked`."""
    begun = None if present.mask is None else present.begun(prompts)
    if present.mask is not None and begun is not None and not any(map(is_outline, prompts)):
        return _corrected(slices, key, prompts, present.state, present.mask, begun)
    before = present.state.prediction if refine else None
    low_res = None if before is None else before.low_res_masks[before.chosen]
    return Answer(SliceState(prompts, slices.predict(key, prompts, low_res), begun))


def _corrected(
    slices: SlicePredictor,
    key: SliceKey,
    prompts: tuple[Prompt, ...],
    state: SliceState,
    present: np.ndarray,
    begun: CorrectedMask,
) -> Answer:
    """Go on from the present mask with prompts that are new, or begin again where one was taken back."""
    known = len(state.prompts)
    is_more = prompts[:known] == state.prompts and known < len(prompts)
    prediction, mask, done = (state.prediction, present, known) if is_more else (begun.prediction, begun.mask, 0)
    note = ""
    for count in range(done + 1, len(prompts) + 1):
        prediction, note = _step(slices, key, prompts[:count], prediction, mask)
        mask = np.zeros_like(mask) if prediction is None else prediction.mask
    return Answer(SliceState(prompts, prediction, begun), note, present)


def _step(
    slices: SlicePredictor,
    key: SliceKey,
    prompts: tuple[Prompt, ...],
    present: SlicePrediction | None,
    mask: np.ndarray,
) -> tuple[SlicePrediction | None, str]:
    """Prediction after the last of `prompts`, and what is to be said of it.

    present: what `mask` (rows, columns) came from, if it is that still.
    """
    if not mask.any():
        return (slices.predict(key, prompts) if can_predict(prompts) else None), ""
    frame = SliceFrame.of(slices.volume.geometry, key.axis)
    before = frame.to_canonical(mask)
    edited = edited_mask(before, frame, prompts)
    if not edited.any():
        return None, EMPTIED.format(axis=key.axis, index=key.index)
    drawn = mask_logits(edited, slices.mask_side)
    if _is_island(before, frame, prompts[-1]):
        found = _island(slices, key, prompts, mask, drawn)
        chosen = _best(found, frame, prompts)
        reason = "" if _honours(found, frame, prompts[-1:])[chosen] else "answer is empty"
    else:
        low_res = _logits_of(present, mask)
        box = mask_prompts(edited, frame, key.index, box_margin=0, points=0)
        found = slices.predict(key, (*prompts, *box), drawn if low_res is None else low_res)
        chosen = _best(found, frame, prompts)
        reason = _refusal(frame.to_canonical(found.with_choice(chosen).mask), edited)
    both = _beside_edit(found, chosen, frame.to_storage(edited), drawn, is_edit_chosen=bool(reason))
    return both, KEPT_EDIT.format(axis=key.axis, index=key.index, answer=reason) if reason else ""


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
    coords, labels, _ = pixel_prompts(frame, prompts)
    assert coords is not None and labels is not None, "what corrects has points"
    columns, rows = np.round(coords).astype(int).T
    masks = [frame.to_canonical(found.with_choice(n).mask) for n in range(len(found.predicted_iou))]
    return [np.array_equal(mask[rows, columns], labels == 1) for mask in masks]


def _refusal(mask: np.ndarray, edited: np.ndarray) -> str:
    """Why an answer does not stand beside the edited mask, both (H, W) bool; empty where it does."""
    if not mask.any():
        return "answer is empty"
    overlap = np.count_nonzero(mask & edited) / np.count_nonzero(mask | edited)
    return "answer is another region" if overlap < MIN_KEPT else ""


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
