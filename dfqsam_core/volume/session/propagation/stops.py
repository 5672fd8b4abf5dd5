"""Whether a mask continues the one beside it, and where and why a propagation ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..slice_predictor import SlicePrediction
from .config import PropagationConfig

# Logits by which the stability of a mask is judged, as in SAM's automatic mask generator.
_STABILITY_OFFSET = 1.0
END_OF_RANGE, END_OF_OBJECT, NO_SEED = "end of the range", "end of the object", "the prompted slices have no mask"


_GO_ON = "if it goes on, prompt the next slice"


@dataclass(frozen=True)
class Stop:
    """Where propagation in one direction ended: the last slice that got a mask, and why no further."""

    direction: int
    last_index: int
    reason: str


def overlap(mask: np.ndarray, other: np.ndarray) -> float:
    """IoU of two masks bool, not both empty."""
    return np.count_nonzero(mask & other) / np.count_nonzero(mask | other)


def refusal(
    mask: np.ndarray, expected: np.ndarray, prediction: SlicePrediction, config: PropagationConfig, likeness: float = 1
) -> str | None:
    """Why `mask` does not continue `expected` (both (H, W) bool), or None when it does.

    likeness: of the grey values in it to those in the prompted mask, see `GreyValues.share`.
    """
    if not mask.any():
        return f"the mask is empty; {_GO_ON}"
    common, stability, estimate = overlap(mask, expected), _stability(prediction), prediction.chosen_iou
    ratio, most = np.count_nonzero(mask) / np.count_nonzero(expected), config.max_area_ratio
    checks = (
        (estimate < config.min_predicted_iou, f"predicted IoU {estimate:.2f} below {config.min_predicted_iou}: unsure"),
        (common < config.min_overlap, f"overlap {common:.2f} below {config.min_overlap}: the shape changes too fast"),
        (not 1 / most <= ratio <= most, f"area changes {ratio:.2f} times: the mask leaks, or the object ends"),
        (stability < config.min_stability, f"stability {stability:.2f} below {config.min_stability}: no clear border"),
        (likeness < config.min_likeness, f"likeness {likeness:.2f} below {config.min_likeness}: other grey values"),
    )
    return next((f"{reason}; {_GO_ON}" for is_refused, reason in checks if is_refused), None)


def _stability(prediction: SlicePrediction) -> float:
    logits = prediction.low_res_masks[prediction.chosen]
    outer = np.count_nonzero(logits > -_STABILITY_OFFSET)
    return np.count_nonzero(logits > _STABILITY_OFFSET) / outer if outer else 0.0
