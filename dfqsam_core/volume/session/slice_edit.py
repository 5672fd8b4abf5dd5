"""One change of a session: how one segment changed on one slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..slices import SliceKey
from .slice_prediction import SlicePrediction
from .slice_state import SliceState


@dataclass(frozen=True, eq=False)
class SliceEdit:
    """How one segment changed on one slice.

    shape: (rows, columns) of the slice. old, new: what the segment had there before and has now. note: as
    Answer has it.
    """

    label: int
    slice: SliceKey
    shape: tuple[int, int]
    old: SliceState
    new: SliceState
    note: str = ""

    @property
    def kept_bytes(self) -> int:
        """Bytes that the history keeps for it."""
        return self.new.kept_bytes

    @property
    def before(self) -> np.ndarray:
        """(rows, columns) bool in storage order (axes of the (K, J, I) array without the slice's own); a new array."""
        return mask_of(self.old.prediction, self.shape)

    @property
    def after(self) -> np.ndarray:
        """(rows, columns) bool in storage order; a new array."""
        return mask_of(self.new.prediction, self.shape)

    @property
    def predicted_iou(self) -> float | None:
        """The model's own estimate of `after`, None where the segment has no mask there."""
        return None if self.new.prediction is None else self.new.prediction.chosen_iou


def mask_of(prediction: SlicePrediction | None, shape: tuple[int, int]) -> np.ndarray:
    """Return the mask (rows, columns) bool of a prediction, all False where there is none."""
    return np.zeros(shape, bool) if prediction is None else prediction.mask
