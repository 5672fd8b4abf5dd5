"""Means and intervals of a comparison, per modality, per size, and per kind of prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..errors import CheckFailed
from .metrics import mean_interval
from .scores import METRICS, Measurement

ALL = "all"
SIZES = ("small", "medium", "large")
_ANSWERS = ("model", "reference", "ellipse")


def summarize(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Return one row per modality and prompt, and one per prompt over all modalities, in order of appearance.

    A row holds the number of objects and, for Dice, the mean of the model, the reference, the ellipse, the two models'
    agreement, and the drop (reference minus model, paired by object), each as {"mean", "low", "high"} with a 95 %
    bootstrap interval; then "iou" and "surface_dice" with the same but the agreement.
    """
    modalities = _unique(m.modality for m in measurements)
    groups = [*modalities, ALL] if len(modalities) > 1 else modalities
    return [
        {"modality": modality, "prompt": prompt} | row
        for modality in groups
        for prompt, row in _rows([m for m in measurements if modality in (ALL, m.modality)], _prompts(measurements))
    ]


def summarize_sizes(measurements: Sequence[Measurement], bounds: tuple[float, float]) -> list[dict[str, Any]]:
    """Return one row per third of the objects by size and per prompt, smallest first; rows as in `summarize`."""
    return [
        {"size": size, "prompt": prompt} | row
        for third, size in enumerate(SIZES)
        for prompt, row in _rows(
            [m for m in measurements if np.searchsorted(bounds, m.share) == third], _prompts(measurements)
        )
    ]


def size_bounds(measurements: Sequence[Measurement]) -> tuple[float, float]:
    """Return the two shares of the slice that part the measured objects into thirds by size."""
    shares = list({m.object_key: m.share for m in measurements}.values())
    low, high = np.quantile(shares, (1 / 3, 2 / 3))
    return float(low), float(high)


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


def _rows(chosen: Sequence[Measurement], prompts: Sequence[str]) -> Iterable[tuple[str, dict[str, Any]]]:
    for prompt in prompts:
        found = [m for m in chosen if m.prompt == prompt]
        if found:
            yield prompt, _row(found)


def _row(chosen: Sequence[Measurement]) -> dict[str, Any]:
    keys = [m.object_key for m in chosen]
    objects = {key: number for number, key in enumerate(_unique(keys))}
    index = np.array([objects[key] for key in keys])

    def interval(values: Iterable[float]) -> dict[str, float]:
        """Of the objects, whose draws are averaged first: draws of one object are not independent."""
        totals = np.bincount(index, weights=np.array(list(values), float))
        return asdict(mean_interval(totals / np.bincount(index)))

    def paired(metric: str) -> dict[str, Any]:
        columns = {answer: [getattr(getattr(m, answer), metric) for m in chosen] for answer in _ANSWERS}
        drop = np.subtract(columns["reference"], columns["model"])
        return {answer: interval(values) for answer, values in columns.items()} | {"drop": interval(drop)}

    scores = {metric: paired(metric) for metric in METRICS}
    agreement = {"agreement": interval(m.agreement for m in chosen)}
    return {"objects": len(objects)} | scores.pop("dice") | agreement | scores


def _prompts(measurements: Sequence[Measurement]) -> list[str]:
    return _unique(m.prompt for m in measurements)


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))
