"""Prompts on a slice: predicted by themselves, or one after the other to correct the mask that is there already."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..prompts import Prompt, can_predict, is_outline
from ..slices import SliceKey
from .correction import correct
from .mask_input import kinds_of
from .slice_predictor import SlicePredictor
from .slice_state import CorrectedMask, SliceState

NOTHING = "The prompt on {slice} selects nothing: there is no mask to take away from. Add a box or a point."


@dataclass(frozen=True, eq=False)
class SlicePresent:
    """The state of a segment on a slice when its prompts change there.

    state: of the session. mask: (rows, columns) bool in storage order, what prompts would correct, drawn by hand and
    loaded included; None where there is nothing, or what prompts of this slice, or lone slices of other axes, drew, and
    where all was erased by hand: a fresh start. turn: of the next correction, as CorrectedMask has it. predicted: like
    mask, what of it the session covers; None for all.
    """

    state: SliceState
    mask: np.ndarray | None
    turn: int = 1
    predicted: np.ndarray | None = None

    def begun(self, prompts: tuple[Prompt, ...]) -> CorrectedMask | None:
        """The mask that `prompts` correct: the known one, with what was drawn by hand since, or the present one."""
        state = self.state
        if self.mask is None:
            return None
        if state.corrected is None:
            is_edit = bool(prompts) and not any(map(is_outline, prompts))
            predicted = self.mask if self.predicted is None else self.predicted
            return CorrectedMask.of(self.mask, predicted, state.prediction, self.turn) if is_edit else None
        before, now = state.corrected, state.mask(self.mask.shape)
        if np.array_equal(now, self.mask):
            return replace(before, turn=self.turn)
        drawn = (before.mask | (self.mask & ~now)) & ~(now & ~self.mask)
        return CorrectedMask.of(drawn, before.predicted, before.prediction, self.turn)


@dataclass(frozen=True, eq=False)
class Answer:
    """The state of a slice after its prompts changed.

    note: a sentence where that is not what the model said, with {slice} for the slice's name, which a front end counts
    from 1; else empty. replaced: (rows, columns) bool in storage order,
    the mask that was corrected, with what was drawn by hand; None where the prompts are predicted by themselves.
    """

    state: SliceState
    note: str = ""
    replaced: np.ndarray | None = None


def is_asked(prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False) -> bool:
    """Return whether it takes the model to say what prompts select; parameters as of `answer`."""
    has_mask = present.mask is not None or (refine and present.state.prediction is not None)
    return can_predict(prompts, has_mask)


def answer(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False
) -> Answer:
    """Return what a segment has on a slice when `prompts` are all its prompts there.

    A first point, scribble or negative lasso on a slice with a mask corrects it, and so do those that follow; a prompt
    taken back is as if it had never been given. An outline (a box, a positive lasso) says anew what the segment is:
    then the answer depends on the prompts alone. refine: there, start from the logits of the slice's present mask.
    Raises PromptError for prompts that the model was not trained with.
    """
    slices.conventions.check_prompts(kinds_of(prompts))
    if is_asked(prompts, present, refine):
        return ask_model(slices, key, prompts, present, refine)
    begun = None if present.mask is None else present.begun(prompts)
    note = NOTHING if prompts else ""
    return Answer(SliceState(prompts, None if begun is None else begun.prediction), note)


def ask_model(
    slices: SlicePredictor, key: SliceKey, prompts: tuple[Prompt, ...], present: SlicePresent, refine: bool = False
) -> Answer:
    """`answer` where `is_asked`."""
    slices.conventions.check_prompts(kinds_of(prompts))
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
        prediction, note = correct(slices, key, prompts[:count], prediction, mask)
        mask = np.zeros_like(mask) if prediction is None else prediction.mask
    return Answer(SliceState(prompts, prediction, begun), note, present)
