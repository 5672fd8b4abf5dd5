"""What one segment has on one slice: its prompts, the prediction they gave, and the mask that they correct."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..prompts import Prompt, is_outline
from .slice_predictor import SlicePrediction


@dataclass(frozen=True, eq=False)
class CorrectedMask:
    """The mask that a slice had before its first prompt: propagated, loaded, or drawn by hand.

    deflated: of (2, bytes) uint8, eight voxels in a byte, what the properties unfold. shape: (rows, columns).
    prediction: what the session had on that very slice, None where the mask came from elsewhere. turn: counts the
    corrections of a segment; where corrected slices of several axes cross, the last one says what there is.
    """

    deflated: bytes
    shape: tuple[int, int]
    prediction: SlicePrediction | None
    turn: int

    @classmethod
    def of(
        cls, mask: np.ndarray, predicted: np.ndarray, prediction: SlicePrediction | None, turn: int
    ) -> CorrectedMask:
        """From what the properties of these names give."""
        packed = np.packbits(np.stack([mask, predicted]).reshape(2, -1), axis=1)
        return cls(zlib.compress(packed.tobytes(), 1), (mask.shape[0], mask.shape[1]), prediction, turn)

    @property
    def mask(self) -> np.ndarray:
        """(rows, columns) bool in storage order; a new array."""
        return self._plane(0)

    @property
    def predicted(self) -> np.ndarray:
        """(rows, columns) bool: what the session covered there, by predictions of any axis; a new array.

        The rest of the mask was loaded or drawn by hand.
        """
        return self._plane(1)

    def _plane(self, n: int) -> np.ndarray:
        packed = np.frombuffer(zlib.decompress(self.deflated), np.uint8).reshape(2, -1)
        return np.unpackbits(packed[n], count=self.shape[0] * self.shape[1]).view(bool).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class SliceState:
    """The state of one segment on one slice: its prompts and their prediction (None where they select nothing).

    A prediction without prompts was propagated from other slices. corrected: the mask that the prompts correct, None
    where they are predicted by themselves.
    """

    prompts: tuple[Prompt, ...] = ()
    prediction: SlicePrediction | None = None
    corrected: CorrectedMask | None = None

    @property
    def kept_bytes(self) -> int:
        """Bytes of the masks and logits that it holds."""
        found = (self.prediction, None if self.corrected is None else self.corrected.prediction)
        return sum(len(one.deflated_masks) + len(one.deflated_logits) for one in found if one is not None)

    @property
    def is_correction(self) -> bool:
        """True where the prompts correct a mask now: there is one, and no outline says anew what the segment is."""
        return self.corrected is not None and not any(map(is_outline, self.prompts))

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """(rows, columns) bool in storage order: what the prediction covers; a new array of `shape`."""
        return np.zeros(shape, bool) if self.prediction is None else self.prediction.mask
