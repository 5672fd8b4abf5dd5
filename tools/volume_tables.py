"""Writes docs/windows.md, propagation.md or corrections.md: objects of labelled volumes, through a VolumeSession.

Run: python tools/volume_tables.py windows --model NAME=FILE [--model NAME=FILE] --data DIR [--data DIR]
     python tools/volume_tables.py propagation (the same options)
     python tools/volume_tables.py corrections (the same options)

Prompts come from the labels, across K: a tight box on every n-th slice of an object (windows), on one to three of its
slices (propagation), or on its largest one, and clicks where the propagation from there is wrong (corrections). Every
model sees the same first prompts.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate import dice, find_cases
from dfqsam_core.evaluate.dataset import label_on_grid
from dfqsam_core.runtime import EmbeddingCache, load_model
from dfqsam_core.volume import (
    WINDOW_PRESETS,
    BoxPrompt,
    Volume,
    VolumeSession,
    WindowLevel,
    auto_window,
    propagate,
    read_volume,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.correction_table import Corrected, correction_page, measure_corrections

OBJECTS_PER_VOLUME, MIN_SLICES, MIN_PIXELS, EVERY = 12, 5, 60, 3
WINDOWS_TEXT = """# Which window the model should see

Mean Dice of a tight box on every third slice of an object, per window. The command's default is `auto`: for CT the
abdomen preset (unless most of the body is lung or bone), otherwise percentiles 0.5 and 99.5 of the foreground.
"full range" is the smallest to the largest value of the volume. Liver and spine come out half a point above abdomen,
which is less than these few subjects can decide; abdomen stays the default because it is wider than liver.
"""
PROPAGATION_TEXT = """# Whole objects from one, two or three prompted slices

Mean Dice of whole objects after `propagate` with its default settings. Prompted slices get a tight box of the label:
one is the largest slice, two lie at a fifth from both ends, three at the quarters. "Known extent": the range given is
the object's own; "whole stack": every slice of the volume, so that propagation has to find the ends by itself.
"every slice": a box on every slice of the object, which is about what propagation could reach at best.

These numbers belong to the small demonstration model, which answers a box a few points better than the
ellipse inside it (its card).
"""


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


def main() -> None:
    """Measure and write the page."""
    args = parse_arguments()
    measures = {"windows": measure_windows, "propagation": measure_propagation, "corrections": measure_corrected}
    targets = list(targets_of(args.data))
    results: dict[str, Any] = {}
    for text in args.model:
        name, file = text.split("=", 1)
        print(name, file=sys.stderr)
        results[name] = measures[args.table](load_model(file, threads=args.threads), targets)
    if args.table == "corrections":
        parts = [correction_page(results)]
    else:
        parts = [WINDOWS_TEXT if args.table == "windows" else PROPAGATION_TEXT, table(results)]
    page = "\n".join([*parts, f"Made by: `{shlex.join(['python', *sys.argv])}`\n"])
    with atomic_output(args.output or Path(f"docs/{args.table}.md"), force=True) as temporary:
        temporary.write_text(page, encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("windows", "propagation", "corrections"))
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


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


def measure_windows(model: Any, targets: list[Target]) -> dict[str, dict[str, list[float]]]:
    """Dice values by modality and window."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    cache = EmbeddingCache()
    for target in targets:
        automatic = auto_window(target.volume.voxels_kji, target.volume.modality)
        modality = "CT" if "CT" in automatic.source else "MR"
        finite = target.volume.voxels_kji[np.isfinite(target.volume.voxels_kji)]
        windows = {"auto": automatic, "full range": WindowLevel.from_bounds(float(finite.min()), float(finite.max()))}
        for name, window in (windows | (WINDOW_PRESETS if modality == "CT" else {})).items():
            session = VolumeSession(target.volume, model, window, cache=cache)
            scores[modality][name] += [slice_dice(session, target, int(k)) for k in target.extent[::EVERY]]
    return scores


def slice_dice(session: VolumeSession, target: Target, k: int) -> float:
    """Dice of the box's answer on slice k."""
    if not session.segments:
        session.add_segment(1, "object")
    session.add_prompt(1, target.box(k))
    return dice(session.labels_kji[k], target.mask[k])


def measure_propagation(model: Any, targets: list[Target]) -> dict[str, dict[str, list[float]]]:
    """Dice values by range and number of prompted slices."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    cache = EmbeddingCache()
    for target in targets:
        first, last = int(target.extent[0]), int(target.extent[-1])
        every = object_session(model, cache, target, target.extent)
        scores["known extent"]["every slice"].append(dice(every.labels_kji, target.mask))
        for count in (1, 2, 3):
            ranges = {"known extent": (first, last), "whole stack": (0, len(target.mask) - 1)}
            for name, (low, high) in ranges.items():
                session = object_session(model, cache, target, prompted(target, count))
                if session.labels_kji.any():
                    propagate(session, 1, "K", low, high)
                scores[name][f"{count} prompted"].append(dice(session.labels_kji, target.mask))
    return scores


def measure_corrected(model: Any, targets: list[Target]) -> list[Corrected]:
    """Every third propagated slice of each object, corrected; prompted is its largest slice."""
    cache = EmbeddingCache()

    def propagated(target: Target) -> VolumeSession:
        session = object_session(model, cache, target, prompted(target, 1))
        if session.labels_kji.any():
            propagate(session, 1, "K", int(target.extent[0]), int(target.extent[-1]))
        return session

    return measure_corrections(targets, propagated, EVERY)


def object_session(model: Any, cache: EmbeddingCache, target: Target, slices: Iterable[int]) -> VolumeSession:
    """Session with one segment and a tight box on each of `slices`."""
    session = VolumeSession(target.volume, model, cache=cache)
    session.add_segment(1, "object")
    for k in slices:
        session.add_prompt(1, target.box(int(k)))
    return session


def prompted(target: Target, count: int) -> list[int]:
    """Slices that a person would prompt: the largest, or `count` ones spread over the object."""
    if count == 1:
        return [int(target.mask.sum(axis=(1, 2)).argmax())]
    shares = (0.2, 0.8) if count == 2 else (0.25, 0.5, 0.75)
    return sorted({int(np.quantile(target.extent, share, method="nearest")) for share in shares})


def table(results: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Markdown: one row per group and condition, one column per model."""
    first = next(iter(results.values()))
    lines = [f"| | | values | {' | '.join(results)} |", "|---" * (3 + len(results)) + "|"]
    for group, conditions in first.items():
        for condition, values in conditions.items():
            means = (f"{np.mean(result[group][condition]):.3f}" for result in results.values())
            lines.append(f"| {group} | {condition} | {len(values)} | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
