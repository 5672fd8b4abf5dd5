"""What a controller has predicted and not written yet, and who shows that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.session.corrections import Answer, SlicePresent
from dfqsam_core.volume.session.slice_predictor import SlicePrediction


@dataclass(frozen=True, eq=False)
class Preview:
    """An answer that is shown and not yet written."""

    segment_id: str
    key: SliceKey
    answer: Answer

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts that were answered."""
        return self.answer.state.prompts

    @property
    def prediction(self) -> SlicePrediction | None:
        """The prediction of the prompts, None where they select nothing."""
        return self.answer.state.prediction

    @property
    def present(self) -> SlicePresent:
        """The state that further prompts start from."""
        state, corrected = self.answer.state, self.answer.state.corrected
        if corrected is None:
            return SlicePresent(state, None)
        return SlicePresent(state, state.mask(corrected.shape), corrected.turn)

    def with_choice(self, candidate: int) -> Preview:
        """The same with another candidate in use; raises PromptError where there is no such one."""
        prediction = None if self.prediction is None else self.prediction.with_choice(candidate)
        return replace(self, answer=replace(self.answer, state=replace(self.answer.state, prediction=prediction)))


class PreviewLayer(Protocol):
    """Shows a mask that is in no segment yet."""

    def show(self, preview: Preview | None) -> None:
        """Show this one instead of what was shown; None for nothing."""
