"""The candidate masks that a model gave for a slice, packed small."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from ...errors import PromptError
from .trust import Trust


@dataclass(frozen=True, eq=False)
class SlicePrediction:
    """The candidate masks of one prediction and which of them is in use, small: a history keeps thousands of them.

    shape: (rows, columns) in storage order. predicted_iou: (C,) float32, the model's own estimates. chosen: index of
    the candidate in use, at first the best estimate. deflated_masks, deflated_logits: what the properties unfold.
    low_res_side: rows and columns of the logits. trust: what speaks for the mask in use where it was propagated, else
    None.
    """

    deflated_masks: bytes
    shape: tuple[int, int]
    predicted_iou: np.ndarray
    deflated_logits: bytes
    low_res_side: int
    chosen: int
    trust: Trust | None = None

    @classmethod
    def of(cls, masks: np.ndarray, predicted_iou: np.ndarray, low_res_masks: np.ndarray) -> SlicePrediction:
        """Prediction from masks (C, rows, columns) bool in storage order; ties go to the first candidate."""
        packed = np.packbits(masks.reshape(len(masks), -1), axis=1)
        return cls.packed(packed, masks.shape[1:], predicted_iou, low_res_masks, int(np.argmax(predicted_iou)))

    @classmethod
    def packed(
        cls,
        packed_masks: np.ndarray,
        shape: tuple[int, int],
        predicted_iou: np.ndarray,
        low_res_masks: np.ndarray,
        chosen: int,
    ) -> SlicePrediction:
        """Prediction from what the properties of these names give."""
        # The upper bytes of neighbouring logits are alike, the lower ones are noise.
        halves = np.asarray(low_res_masks, np.float16).reshape(-1).view(np.uint8).reshape(-1, 2).T
        logits = zlib.compress(halves.tobytes(), 1)
        masks = zlib.compress(packed_masks.tobytes(), 1)
        return cls(masks, shape, predicted_iou, logits, low_res_masks.shape[-1], chosen)

    @property
    def packed_masks(self) -> np.ndarray:
        """(C, bytes) uint8, eight voxels in a byte; a new array."""
        return np.frombuffer(zlib.decompress(self.deflated_masks), np.uint8).reshape(len(self.predicted_iou), -1)

    @property
    def low_res_masks(self) -> np.ndarray:
        """(C, n, n) float16 logits, canonical orientation, to be fed back as `mask_input`; a new array."""
        halves = np.frombuffer(zlib.decompress(self.deflated_logits), np.uint8).reshape(2, -1)
        side = self.low_res_side
        return np.ascontiguousarray(halves.T).view(np.float16).reshape(-1, side, side)

    @property
    def mask(self) -> np.ndarray:
        """(rows, columns) bool in storage order: a new array of the chosen candidate."""
        count = self.shape[0] * self.shape[1]
        return np.unpackbits(self.packed_masks[self.chosen], count=count).view(bool).reshape(self.shape)

    @property
    def chosen_iou(self) -> float:
        """The model's own estimate for the chosen candidate."""
        return float(self.predicted_iou[self.chosen])

    def with_choice(self, chosen: int) -> SlicePrediction:
        """The same prediction with another candidate in use; raises PromptError where there is no such one."""
        if not 0 <= chosen < len(self.predicted_iou):
            raise PromptError(
                f"There is no candidate {chosen}: the prediction has {len(self.predicted_iou)}, from 0 on."
            )
        return replace(self, chosen=chosen, trust=self.trust if chosen == self.chosen else None)
