"""Whether a mask continues the one beside it, and where and why a propagation ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..slice_predictor import SlicePrediction
from .config import PropagationConfig

# Logits by which the stability of a mask is judged, as in SAM's automatic mask generator.
_STABILITY_OFFSET = 1.0
END_OF_RANGE, END_OF_OBJECT, NO_SEED = "end of the range", "end of the object", "the prompted slices have no mask"


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
        return "the mask is empty"
    common, stability = overlap(mask, expected), _stability(prediction)
    ratio = np.count_nonzero(mask) / np.count_nonzero(expected)
    checks = {
        f"predicted IoU {prediction.chosen_iou:.2f} below {config.min_predicted_iou}": prediction.chosen_iou
        < config.min_predicted_iou,
        f"overlap {common:.2f} below {config.min_overlap}": common < config.min_overlap,
        f"area changes {ratio:.2f} times": not 1 / config.max_area_ratio <= ratio <= config.max_area_ratio,
        f"stability {stability:.2f} below {config.min_stability}": stability < config.min_stability,
        f"likeness {likeness:.2f} below {config.min_likeness}": likeness < config.min_likeness,
    }
    return next((reason for reason, refused in checks.items() if refused), None)


def _stability(prediction: SlicePrediction) -> float:
    logits = prediction.low_res_masks[prediction.chosen]
    outer = np.count_nonzero(logits > -_STABILITY_OFFSET)
    return np.count_nonzero(logits > _STABILITY_OFFSET) / outer if outer else 0.0
