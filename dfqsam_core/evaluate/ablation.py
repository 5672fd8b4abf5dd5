"""What each part of a recipe is worth: models with one thing changed, against the whole recipe and the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..progress import ProgressCallback, report
from .evaluator import Evaluator
from .metrics import mean_interval, points
from .scores import Measurement
from .variants import changed

if TYPE_CHECKING:
    from ..quant import QuantConfig
    from .model_folder import ModelFolder


def ablate(
    models: ModelFolder,
    evaluator: Evaluator,
    config: QuantConfig,
    variants: Mapping[str, Mapping[str, Any]],
    seeds: int,
    progress: ProgressCallback | None = None,
) -> list[dict[str, Any]]:
    """Quantize with each variant and each seed, measure, and return one row per variant and prompt.

    models: keeps models and images, so that an interrupted run goes on. evaluator: its reference is the float
    checkpoint of `models`. variants: settings by name (see `variants`), the first one being what the others are
    compared with. seeds: the syntheses 0 .. seeds - 1 of each.

    A row holds "variant", "prompt", "objects"; intervals over objects, seeds and draws averaged first: "drop" (Dice of
    the reference minus Dice of the model), "agreement" (Dice with the reference's answer), "worse" (Dice of the first
    variant minus Dice of this one, paired) and "less_same" (the same of the agreement); and "seeds", the drop by seed.
    """
    measured: dict[str, list[list[Measurement]]] = {}
    for done, (name, settings) in enumerate(variants.items()):
        report(progress, "ablate", done, len(variants), name)
        configs = [changed(config, {**settings, "seed": seed}) for seed in range(seeds)]
        paths = [models.model(variant, progress) for variant in configs]
        measured[name] = [evaluator.compare(path, progress).measurements for path in paths]
    report(progress, "ablate", len(variants), len(variants))
    return [row for kind in evaluator.kinds for row in _rows(measured, kind)]


def _rows(measured: Mapping[str, Sequence[Sequence[Measurement]]], kind: str) -> list[dict[str, Any]]:
    tables = {
        name: np.array([_per_object([m for m in seed if m.prompt == kind]) for seed in seeds])
        for name, seeds in measured.items()
    }
    first = next(iter(tables.values())).mean(0)
    return [{"variant": name, "prompt": kind} | _row(table, first) for name, table in tables.items()]


def _per_object(measurements: Sequence[Measurement]) -> np.ndarray:
    """Dice of the model, drop and agreement, (objects, 3), draws averaged."""
    by_object: dict[tuple[str, int, str], list[tuple[float, float, float]]] = {}
    for m in measurements:
        by_object.setdefault(m.object_key, []).append((m.model.dice, m.drop, m.agreement))
    return np.array([np.mean(values, axis=0) for values in by_object.values()])


def _row(table: np.ndarray, first: np.ndarray) -> dict[str, Any]:
    """table: (seeds, objects, 3) as `_per_object` gives them; first: (objects, 3) of the first variant."""
    mean = table.mean(0)
    columns = {
        "drop": mean[:, 1],
        "agreement": mean[:, 2],
        "worse": first[:, 0] - mean[:, 0],
        "less_same": first[:, 2] - mean[:, 2],
    }
    intervals = {name: asdict(mean_interval(values)) for name, values in columns.items()}
    return {"objects": len(mean)} | intervals | {"seeds": table[:, :, 1].mean(1).tolist()}


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, one line per variant and three columns per prompt."""
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    head = " | ".join(f"{p} drop | {p} worse | {p} same" for p in prompts)
    lines = [f"| variant | {head} |", "|---" * (1 + 3 * len(prompts)) + "|"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        own = {row["prompt"]: row for row in rows if row["variant"] == name}
        cells = [cell for prompt in prompts for cell in _cells(own[prompt])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return points(row["drop"]), points(row["worse"]), f"{row['agreement']['mean']:.3f}"
