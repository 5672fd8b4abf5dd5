"""What one segment has on one slice: its prompts, the prediction they gave, and the mask that they correct."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..prompts import Prompt
from .slice_predictor import SlicePrediction


@dataclass(frozen=True, eq=False)
class CorrectedMask:
    """The mask that a slice had before its first prompt: propagated, loaded, or drawn by hand.

    deflated: of (rows, columns) bool in storage order, eight voxels in a byte. shape: (rows, columns). prediction: what
    the session itself had on that slice, None where the mask came from elsewhere.
    """

    deflated: bytes
    shape: tuple[int, int]
    prediction: SlicePrediction | None

    @classmethod
    def of(cls, mask: np.ndarray, prediction: SlicePrediction | None) -> CorrectedMask:
        """Of a mask (rows, columns) bool in storage order."""
        return cls(zlib.compress(np.packbits(mask).tobytes(), 1), (mask.shape[0], mask.shape[1]), prediction)

    @property
    def mask(self) -> np.ndarray:
        """(rows, columns) bool in storage order; a new array."""
        packed = np.frombuffer(zlib.decompress(self.deflated), np.uint8)
        return np.unpackbits(packed, count=self.shape[0] * self.shape[1]).view(bool).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class SliceState:
    """What one segment has on one slice: its prompts and the prediction they gave (None where they select nothing).

    A prediction without prompts was propagated from other slices. corrected: the mask that the prompts correct, None
    where they are predicted by themselves.
    """

    prompts: tuple[Prompt, ...] = ()
    prediction: SlicePrediction | None = None
    corrected: CorrectedMask | None = None

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """(rows, columns) bool in storage order: what the prediction covers; a new array of `shape`."""
        return np.zeros(shape, bool) if self.prediction is None else self.prediction.mask
