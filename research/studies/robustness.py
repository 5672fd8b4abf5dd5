"""Is the loss at 4 bits the same on worse images? Writes the table of docs/measured/studies.md.

Run: python -m research.studies.robustness MODEL --reference FLOAT --data DIR [--data DIR] --output FILE.md

Every perturbation is applied to every slice, both models answer the same prompts, and the drop is compared with that on
the untouched slice, paired by object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.evaluate import LabelledSlice, Sampling, dice, find_cases, load_slices
from dfqsam_core.evaluate.activity import check_quantizers
from dfqsam_core.evaluate.metrics import mean_interval, points
from dfqsam_core.evaluate.trials import run_trials
from dfqsam_core.runtime import SamPredictor, load_model
from dfqsam_core.runtime.predictor import Predictor

from .perturbations import PERTURBATIONS, perturbed

KINDS, SEED = ("box", "1pt"), 0
Key = tuple[str, str, int, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the table; return 0, or 2 when something cannot be read or written."""
    args = parse(arguments)
    try:
        check_quantizers(args.model)
        slices = [
            item
            for case in find_cases(*args.data)
            for item in load_slices(case, Sampling(every=args.every, masks_per_slice=args.objects))
        ]
        models = [SamPredictor(load_model(path, threads=args.threads)) for path in (args.model, args.reference)]
        with atomic_output(args.output, force=True) as temporary:
            temporary.write_text("\n".join(table(models, slices, args.draws)) + "\n", encoding="utf-8")
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--objects", type=int, default=10, help="at most so many of a slice")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args(arguments)


def table(models: Sequence[Predictor], slices: Sequence[LabelledSlice], draws: int) -> Iterator[str]:
    """The lines of the table: untouched slices first."""
    head = " | ".join(f"{kind} float | {kind} drop | change of {kind} drop" for kind in KINDS)
    yield f"| slices | objects | {head} |"
    yield "|---" * (2 + 3 * len(KINDS)) + "|"
    proper = measured(models, slices, draws)
    yield line("untouched", proper, proper)
    for name, perturbation in PERTURBATIONS.items():
        print(name, file=sys.stderr)
        worse = [item for slice_ in slices if (item := perturbed(slice_, perturbation, SEED)) is not None]
        if worse:
            yield line(name, measured(models, worse, draws), proper)


def measured(models: Sequence[Predictor], slices: Sequence[LabelledSlice], draws: int) -> dict[Key, np.ndarray]:
    """Dice of the model and of the reference by kind of prompt and object, (2,), draws averaged."""
    found: dict[Key, list[list[float]]] = {}
    for number, model in enumerate(models):
        for trial, answer in run_trials(model, slices, KINDS, draws, SEED, "ask"):
            key = (trial.kind, trial.slice.case, trial.slice.index, trial.name)
            found.setdefault(key, [[], []])[number].append(dice(answer, trial.target))
    return {key: np.mean(values, axis=1) for key, values in found.items()}


def line(name: str, found: dict[Key, np.ndarray], proper: dict[Key, np.ndarray]) -> str:
    """One line: float Dice, drop, and by how much the drop differs from that on the untouched slices."""
    cells, objects = [], 0
    for kind in KINDS:
        keys = [key for key in found if key[0] == kind]
        here, there = (np.array([values[key] for key in keys]) for values in (found, proper))
        drops, changes = here[:, 1] - here[:, 0], (here - there) @ [-1, 1]
        change = "" if found is proper else points(asdict(mean_interval(changes)))
        cells += [f"{here[:, 1].mean():.3f}", points(asdict(mean_interval(drops))), change]
        objects = len(keys)
    return f"| {name} | {objects} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
