"""Objects of labelled volumes, for the tables of volumes and strokes, and how such a table is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfqsam_core.evaluate import find_cases
from dfqsam_core.evaluate.dataset import label_on_grid
from dfqsam_core.volume import BoxPrompt, Volume, read_volume

OBJECTS_PER_VOLUME, MIN_SLICES, MIN_PIXELS = 12, 5, 60


@dataclass(frozen=True, eq=False)
class Target:
    """One object: its mask (K, J, I) in a labelled volume."""

    volume: Volume
    mask: np.ndarray

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
    for case in (case for folder in folders for case in find_cases(folder) if case.kind == "volume"):
        volume = read_volume(case.image)
        for path in case.labels:
            labels = label_on_grid(read_volume(path), volume.geometry)
            values, counts = np.unique(labels[labels > 0], return_counts=True)
            largest = values[np.argsort(-counts, kind="stable")][:OBJECTS_PER_VOLUME]
            for target in (Target(volume, labels == value) for value in largest):
                if len(target.extent) >= MIN_SLICES and target.mask.sum(axis=(1, 2)).max() >= MIN_PIXELS:
                    yield target


def table(results: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Markdown: one row per group and condition, one column per model."""
    first = next(iter(results.values()))
    lines = [f"| | | values | {' | '.join(results)} |", "|---" * (3 + len(results)) + "|"]
    for group, conditions in first.items():
        for condition, values in conditions.items():
            means = (f"{np.mean(result[group][condition]):.3f}" for result in results.values())
            lines.append(f"| {group} | {condition} | {len(values)} | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"
