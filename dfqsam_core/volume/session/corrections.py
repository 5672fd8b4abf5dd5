"""Prompts on a slice that has a mask already: they correct that mask, one after the other.

What a click does: the disc around it that reaches to the mask's border is added or removed, and the model is asked with
the box of the mask so edited, all clicks of the slice and the logits of the mask. docs/corrections.md says what each
part gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..prompts import Prompt, can_predict, is_outline
from ..slices import SliceFrame, SliceKey
from .edited_mask import edited_mask
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

    state: of the session. mask: (rows, columns) bool in storage order, what prompts would correct: what is drawn and
    loaded included; nothing where only prompts on slices of other axes drew something.
    """

    state: SliceState
    mask: np.ndarray

    def begun(self, prompts: tuple[Prompt, ...]) -> CorrectedMask | None:
        """The mask that `prompts` correct: the known one, with what was drawn by hand since, or the present one."""
        state = self.state
        if state.corrected is None:
            is_own = state.prompts and state.prediction is not None
            is_edit = bool(prompts) and not any(map(is_outline, prompts))
            return CorrectedMask.of(self.mask, state.prediction) if is_edit and not is_own and self.mask.any() else None
        predicted = state.mask(self.mask.shape)
        if np.array_equal(predicted, self.mask):
            return state.corrected
        if not self.mask.any():
            # Emptied by hand: a fresh start.
            return None
        drawn = (state.corrected.mask | (self.mask & ~predicted)) & ~(predicted & ~self.mask)
        return CorrectedMask.of(drawn, state.corrected.prediction)

    def is_asked(self, prompts: tuple[Prompt, ...], refine: bool = False) -> bool:
        """Whether the model is needed to say what `prompts` select."""
        if not prompts:
            return False
        has_mask = (refine and self.state.prediction is not None) or self.begun(prompts) is not None
        return can_predict(prompts, has_mask)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a slice has after its prompts changed, and a sentence where that is not what the model said, else empty."""

    state: SliceState
    note: str = ""


def answer(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False
) -> Answer:
    """What a segment has on a slice when `prompts` are all its prompts there.

    A first point, scribble or negative lasso on a slice with a mask corrects it, and so do those that follow; a prompt
    taken back is as if it had never been given. An outline (a box, a positive lasso) says anew what the segment is:
    then the answer depends on the prompts alone. refine: there, start from the logits of the slice's present mask.
    """
    begun = present.begun(prompts)
    if not prompts:
        return Answer(SliceState((), None if begun is None else begun.prediction))
    if begun is None or any(map(is_outline, prompts)):
        before = present.state.prediction if refine else None
        low_res = None if before is None else before.low_res_masks[before.chosen]
        is_asked = can_predict(prompts, has_mask=before is not None)
        return Answer(SliceState(prompts, slices.predict(key, prompts, low_res) if is_asked else None, begun))
    return _corrected(slices, key, prompts, present, begun)


def _corrected(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], present: SlicePresent, begun: CorrectedMask
) -> Answer:
    """Go on from the present mask with prompts that are new, or begin again where one was taken back."""
    state = present.state
    known = len(state.prompts)
    is_more = prompts[:known] == state.prompts and known < len(prompts)
    prediction, mask, done = (
        (state.prediction, present.mask, known) if is_more else (begun.prediction, begun.mask, 0)
    )
    note = ""
    for count in range(done + 1, len(prompts) + 1):
        prediction, note = _step(slices, key, prompts[:count], prediction, mask)
        mask = np.zeros_like(mask) if prediction is None else prediction.mask
    return Answer(SliceState(prompts, prediction, begun), note)


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
    edited = edited_mask(frame.to_canonical(mask), frame, prompts[-1])
    if not edited.any():
        return None, EMPTIED.format(axis=key.axis, index=key.index)
    drawn = mask_logits(edited, slices.mask_side)
    low_res = drawn
    if present is not None and np.array_equal(present.mask, mask):
        logits = present.low_res_masks[present.chosen]
        # A shape between two slices has none.
        low_res = logits if logits.any() else drawn
    box = mask_prompts(edited, frame, key.index, box_margin=0, points=0)
    found = slices.predict(key, (*prompts, *box), low_res)
    chosen = _best(found, frame, prompts)
    reason = _refusal(frame.to_canonical(found.with_choice(chosen).mask), edited)
    both = _beside_edit(found, chosen, frame.to_storage(edited), drawn, is_edit_chosen=bool(reason))
    return both, KEPT_EDIT.format(axis=key.axis, index=key.index, answer=reason) if reason else ""


def _best(found: SlicePrediction, frame: SliceFrame, prompts: tuple[Prompt, ...]) -> int:
    """The candidate of the best estimate among those that hold every positive point and no negative one."""
    coords, labels, _ = pixel_prompts(frame, prompts)
    columns, rows = np.round(coords if coords is not None else np.empty((0, 2))).astype(int).T
    wanted = np.asarray(labels if labels is not None else [], bool)
    honours = [
        np.array_equal(frame.to_canonical(found.with_choice(n).mask)[rows, columns], wanted)
        for n in range(len(found.predicted_iou))
    ]
    estimates = np.where(honours, found.predicted_iou, -np.inf) if any(honours) else found.predicted_iou
    return int(np.argmax(estimates))


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
