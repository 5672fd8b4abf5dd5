"""What both models answer for one organ of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluate.metrics import dice
from ..volume import SegmentPrompts, SliceFrame, SliceKey


@dataclass(frozen=True, eq=False)
class Answer:
    """One organ on its prompted slice, in the canonical orientation.

    image: (H, W) uint8 as the model sees it. truth, float_mask, packed_mask: (H, W) bool. frame: how the slice lies in
    the volume.
    """

    prompts: SegmentPrompts
    key: SliceKey
    frame: SliceFrame
    image: np.ndarray
    truth: np.ndarray
    float_mask: np.ndarray
    packed_mask: np.ndarray

    def scores(self) -> dict[str, Any]:
        """Dice (0..1) of both models with the label and with each other, and how many pixels differ."""
        return {
            "organ": self.prompts.name,
            "slice": f"{self.key.axis} {self.key.index}",
            "float": dice(self.float_mask, self.truth),
            "packed_4_bit": dice(self.packed_mask, self.truth),
            "packed_with_float": dice(self.packed_mask, self.float_mask),
            "pixels_label": int(np.count_nonzero(self.truth)),
            "pixels_that_differ": int(np.count_nonzero(self.packed_mask != self.float_mask)),
        }
