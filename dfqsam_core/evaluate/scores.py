"""What is measured of every answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .metrics import dice, iou
from .surface import surface_dice

METRICS = ("dice", "iou", "surface_dice")


@dataclass(frozen=True)
class Scores:
    """Agreement of an answer with a label, each 0..1."""

    dice: float
    iou: float
    surface_dice: float


@dataclass(frozen=True)
class Measurement:
    """One object, one kind of prompt, one draw of its clicks.

    pixels: size of the object on its own slice. share: part of the slice that it fills. draw: 0, 1, ... number of the
    random clicks; a box has draw 0 alone. model, reference: scores of the two answers; ellipse: scores of the ellipse
    in the label's box, which needs no model. agreement: Dice of the two models' answers.
    """

    case: str
    modality: str
    slice_index: int
    name: str
    pixels: int
    share: float
    prompt: str
    draw: int
    model: Scores
    reference: Scores
    ellipse: Scores
    agreement: float

    @property
    def drop(self) -> float:
        """Dice that the model loses against the reference."""
        return self.reference.dice - self.model.dice

    @property
    def object_key(self) -> tuple[str, int, str]:
        """The key that tells one object from another, whatever its prompt."""
        return self.case, self.slice_index, self.name


def score(
    answer: np.ndarray, target: np.ndarray, tolerance: float, spacing_mm: tuple[float, float] | None = None
) -> Scores:
    """Return all scores of `answer` against `target`, boolean masks (H, W); tolerance as in `surface_dice`."""
    return Scores(dice(answer, target), iou(answer, target), surface_dice(answer, target, tolerance, spacing_mm))
