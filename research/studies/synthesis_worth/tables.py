"""Rows of the study to tables: the drop of each variant, and what a step gains, paired by object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dfqsam_core.evaluate.metrics import mean_interval, points

from .variants import GAINS

Rows = Sequence[dict[str, Any]]
VALUES = ("dice", "float_dice", "same")


def tables(rows: Rows, names: Sequence[str]) -> str:
    """Both tables as Markdown, of the variants of `names` that have rows."""
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    found = {name: own for name in names if (own := [row for row in rows if row["variant"] == name])}
    gains = {what: pair for what, pair in GAINS.items() if set(pair) <= set(found)}
    first = _table(
        ["images", "labels"], ["drop", "same"], prompts, (_drops(n, own, prompts) for n, own in found.items())
    )
    second = _table(["gained by"], ["Dice", "same"], prompts, (_gains(w, p, found, prompts) for w, p in gains.items()))
    return f"{first}\n{second}" if gains else first


def _table(first: list[str], columns: list[str], prompts: list[str], lines: list[list[str]]) -> str:
    head = [*first, *(f"{prompt} {column}" for prompt in prompts for column in columns)]
    return "\n".join([_line(head), "|" + "---|" * len(head), *map(_line, lines)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _drops(name: str, rows: Rows, prompts: list[str]) -> list[str]:
    """Float minus quantized in points with its interval, and the Dice with the float model's answer."""
    cells = [name, f"{np.mean([float(row['labels']) for row in rows]):.1f}"]
    for prompt in prompts:
        values = np.array(list(_per_object(rows, prompt).values()))
        cells += [_points(values[:, 1] - values[:, 0]), f"{values[:, 2].mean():.3f}"]
    return cells


def _gains(what: str, pair: tuple[str, str], found: dict[str, Rows], prompts: list[str]) -> list[str]:
    """With minus without in points, paired by object."""
    cells = [what]
    for prompt in prompts:
        without, with_it = (_per_object(found[name], prompt) for name in pair)
        gained = np.array([with_it[key] - without[key] for key in without])
        cells += [_points(gained[:, 0]), _points(gained[:, 2])]
    return cells


def _per_object(rows: Rows, prompt: str) -> dict[tuple[str, str, str], np.ndarray]:
    """Mean of `VALUES` by object, over seeds and draws."""
    found: dict[tuple[str, str, str], list[list[float]]] = {}
    for row in rows:
        if row["prompt"] == prompt:
            key = (row["case"], str(row["slice"]), row["object"])
            found.setdefault(key, []).append([float(row[name]) for name in VALUES])
    return {key: np.mean(values, axis=0) for key, values in found.items()}


def _points(values: np.ndarray) -> str:
    return points(asdict(mean_interval(values)))
