"""Means and intervals of a comparison, per modality and kind of prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckFailed
from .metrics import mean_interval

if TYPE_CHECKING:
    from .compare import Measurement

ALL = "all"


def summarize(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Return one row per modality and prompt, and one per prompt over all modalities, in order of appearance.

    A row holds the number of objects, the mean Dice of the model, the reference, their agreement and the ellipse, and
    the drop (reference minus model, paired by object), each as {"mean", "low", "high"} with a 95 % bootstrap interval.
    """
    prompts = _unique(m.prompt for m in measurements)
    modalities = _unique(m.modality for m in measurements)
    groups = [*modalities, ALL] if len(modalities) > 1 else modalities
    rows = []
    for modality in groups:
        for prompt in prompts:
            chosen = [m for m in measurements if m.prompt == prompt and modality in (ALL, m.modality)]
            if chosen:
                rows.append({"modality": modality, "prompt": prompt} | _row(chosen))
    return rows


def check_drop(rows: Sequence[dict[str, Any]], max_drop_points: float) -> None:
    """Raise CheckFailed when the mean Dice over all objects drops by more than `max_drop_points` for any prompt.

    max_drop_points: Dice points, hundredths of Dice.
    """
    overall = [row for row in rows if row["modality"] == ALL] or rows
    failed = [
        f"{row['prompt']} {100 * row['drop']['mean']:.2f}"
        for row in overall
        if 100 * row["drop"]["mean"] > max_drop_points
    ]
    if failed:
        raise CheckFailed(
            f"Dice drops by more than {max_drop_points} points against the reference: {', '.join(failed)}. "
            "Quantize with --recipe default or more --images, or raise --max-drop."
        )


def _row(chosen: Sequence[Measurement]) -> dict[str, Any]:
    columns = {
        name: np.array([getattr(m, name) for m in chosen]) for name in ("model", "reference", "agreement", "ellipse")
    }
    columns["drop"] = columns["reference"] - columns["model"]
    return {"objects": len(chosen)} | {name: asdict(mean_interval(values)) for name, values in columns.items()}


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
