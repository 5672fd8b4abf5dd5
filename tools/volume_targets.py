"""Objects of labelled volumes, for the tables of volumes and strokes; how they are measured and a table is written."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.evaluate import find_cases
from dfqsam_core.evaluate.dataset import label_on_grid
from dfqsam_core.runtime import load_model
from dfqsam_core.volume import BoxPrompt, Volume, read_volume

OBJECTS_PER_VOLUME, MIN_SLICES, MIN_PIXELS = 12, 5, 60


@dataclass(frozen=True, eq=False)
class Target:
    """One object: its mask (K, J, I) in a labelled volume, and its place among all objects."""

    volume: Volume
    mask: np.ndarray
    number: int = 0

    @property
    def extent(self) -> np.ndarray:
        """Indices along K that hold the object."""
        return np.flatnonzero(self.mask.any(axis=(1, 2)))

    def box(self, k: int) -> BoxPrompt:
        """Tight box of the object on slice k."""
        rows, columns = np.nonzero(self.mask[k])
        return BoxPrompt((int(columns.min()), int(rows.min()), k), (int(columns.max()), int(rows.max()), k))


def targets_of(folders: Iterable[Path]) -> Iterator[Target]:
    """The largest objects of every labelled volume below `folders` that spans enough slices."""
    number = 0
    for case in (case for folder in folders for case in find_cases(folder) if case.kind == "volume"):
        volume = read_volume(case.image)
        for path in case.labels:
            labels = label_on_grid(read_volume(path), volume.geometry)
            values, counts = np.unique(labels[labels > 0], return_counts=True)
            largest = values[np.argsort(-counts, kind="stable")][:OBJECTS_PER_VOLUME]
            for target in (Target(volume, labels == value, number) for value in largest):
                if len(target.extent) >= MIN_SLICES and target.mask.sum(axis=(1, 2)).max() >= MIN_PIXELS:
                    yield target
                    number += 1


def measured(
    measure: Callable[[Any, list[Target]], Any], models: Sequence[str], data: Iterable[Path], threads: int, jobs: int
) -> dict[str, Any]:
    """Return what `measure` finds with each model, "NAME=FILE", by its name; `jobs` processes share the volumes.

    measure: takes a model and the objects of one volume, and returns lists, or dicts of them to any depth, which are
    joined in the order of the volumes.
    """
    volumes = [list(own) for _, own in groupby(targets_of(data), lambda target: id(target.volume))]
    # Spawned: a fork would share the engine's threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        files = dict(text.split("=", 1) for text in models)
        found = {
            name: [pool.submit(_measured, measure, file, threads, own) for own in volumes]
            for name, file in files.items()
        }
        results = {}
        for name, futures in found.items():
            for number, future in enumerate(futures, 1):
                future.result()
                print(f"{name}: volume {number} of {len(volumes)}", file=sys.stderr)
            results[name] = joined([future.result() for future in futures])
    return results


def _measured(measure: Callable[[Any, list[Target]], Any], file: str, threads: int, targets: list[Target]) -> Any:
    return measure(load_model(file, threads=threads), targets)


def joined(parts: Sequence[Any]) -> Any:
    """Lists end to end; dicts by key, in the order in which keys appear."""
    if isinstance(parts[0], dict):
        keys = dict.fromkeys(key for part in parts for key in part)
        return {key: joined([part[key] for part in parts if key in part]) for key in keys}
    return [value for part in parts for value in part]


def table(results: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Markdown: one row per group and condition, one column per model."""
    first = next(iter(results.values()))
    lines = [f"| | | values | {' | '.join(results)} |", "|---" * (3 + len(results)) + "|"]
    for group, conditions in first.items():
        for condition, values in conditions.items():
            means = (f"{np.mean(result[group][condition]):.3f}" for result in results.values())
            lines.append(f"| {group} | {condition} | {len(values)} | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"
