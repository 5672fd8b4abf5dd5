"""Writes docs/measured/strokes.md: scribbles, lassos and 3D boxes beside clicks and boxes, on labelled slices.

Run: python tools/stroke_table.py --model NAME=FILE [--model NAME=FILE] --data DIR [--data DIR] [--every N]

Objects as tools/volume_targets.py picks them, every N-th slice across K, there the largest component of at least 60
pixels. Strokes are simulated from the label (tools/simulated_strokes.py). Every model sees the same first prompts; a
second one goes into what its own first answer got wrong, so it differs from model to model.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate import dice
from dfqsam_core.evaluate.dataset import largest_component
from dfqsam_core.evaluate.metrics import mean_interval, points
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import BoxPrompt, LassoPrompt, PointPrompt, ScribblePrompt, SliceKey, VolumeSession, roi_boxes
from dfqsam_core.volume.polygons import filled_polygon
from dfqsam_core.volume.prompts import Prompt
from tools.simulated_strokes import Voxels, lasso_around, scribble_through
from tools.volume_targets import MIN_PIXELS, Target, measured

SEED = 0
TEXT = """# Strokes and 3D boxes, as measured

**A scribble says much more than a click, a lasso more than a box drawn as loosely, and a tight box on the slice most
of all.**

Mean Dice over slices; change: Dice points that the first model gains or loses against the prompt in the last column,
with the 95 % bootstrap interval over objects. Click: a random pixel of the label. Scribble: along the label's medial
axis, a tenth short of both its ends, wavering by up to half of the way to the border; "as points" gives the model its
points alone. Lasso: the smoothed outline of the label, wavering, a twentieth or a tenth of the root of its area outside
of it; "its pixels": what it goes round, without a model. Loose box: around that lasso. 3D box: a ROI tight around the
whole object, as it prompts this slice. A second prompt goes into the largest region that the first answer got wrong: a
random pixel of it, or a scribble through it. First prompts are the same for every model; second ones follow the answer
of each.

How a stroke is drawn into the mask prompt was chosen by Dice on subsets of these same slices, with an earlier embedded
model: the gains of scribble and lasso are not held out.

A 3D box does not fit the slices where the object is small: boxes on a few slices and propagation between them
([propagation.md](propagation.md)) take longer and give more.
"""
# A condition and what it is compared with.
ROWS = {
    "click": None,
    "scribble": "click",
    "scribble, as points": "click",
    "box": "click",
    "lasso, a tenth outside": "loose box, a tenth outside",
    "loose box, a tenth outside": "box",
    "its pixels, a tenth outside": "lasso, a tenth outside",
    "lasso, a twentieth outside": "loose box, a twentieth outside",
    "loose box, a twentieth outside": "box",
    "its pixels, a twentieth outside": "lasso, a twentieth outside",
    "3D box": "box",
    "click, then click": "click",
    "click, then scribble": "click, then click",
    "scribble, then click": "scribble",
    "scribble, then scribble": "scribble, then click",
    "box, then click": "box",
    "box, then scribble": "box, then click",
}
Scores = dict[str, list[list[float]]]


def main() -> None:
    """Measure and write the page."""
    args = parse_arguments()
    results: dict[str, Scores] = measured(
        partial(measure, every=args.every), args.model, args.data, args.threads, args.jobs
    )
    command = shlex.join(["python", *sys.argv])
    page = f"{TEXT}\n{table(results)}\nSeed {SEED}. Made by: `{command}`\n"
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text(page, encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--every", type=int, default=3, metavar="N", help="every N-th slice of an object")
    parser.add_argument("--threads", type=int, default=1, help="of one process (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="volumes measured side by side (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("docs/measured/strokes.md"))
    return parser.parse_args()


def measure(model: Any, targets: list[Target], every: int) -> Scores:
    """Dice by condition, for each object of its slices."""
    scores: Scores = {row: [[] for _ in targets] for row in ROWS}
    cache = EmbeddingCache()
    for place, target in enumerate(targets):
        session = VolumeSession(target.volume, model, cache=cache)
        session.add_segment(1, "object")
        roi = {box.slice.index: box for box in object_boxes(target)}
        for k in map(int, target.extent[::every]):
            label = largest_component(target.mask[k])
            if np.count_nonzero(label) >= MIN_PIXELS:
                slice_ = LabelledSlice(session, label, k, np.random.default_rng([SEED, target.number, k]))
                for row, value in (*slice_.one_prompt(roi[k]), *slice_.corrections()):
                    scores[row][place].append(value)
    return scores


def object_boxes(target: Target) -> tuple[BoxPrompt, ...]:
    """The boxes of a ROI tight around an object."""
    low, high = (np.array(edge(np.nonzero(target.mask), axis=1))[::-1] for edge in (np.min, np.max))
    return roi_boxes(target.volume.geometry, (low + high) / 2, np.diag((high - low) / 2 + 0.5), "IJK", "K")


class LabelledSlice:
    """One slice, its label (J, I) bool, and the answers of a session to simulated prompts."""

    def __init__(self, session: VolumeSession, label: np.ndarray, k: int, rng: np.random.Generator) -> None:
        self.session, self.label, self.k, self.rng = session, label, k, rng

    def one_prompt(self, roi_box: BoxPrompt) -> Iterator[tuple[str, float]]:
        """Name and Dice of every condition of one prompt."""
        scribble = ScribblePrompt(self.voxels(scribble_through(self.label, self.rng)))
        as_points = [
            PointPrompt(self.voxel(*point[:2])) for point in np.round(scribble.points_ijk).astype(int).tolist()
        ]
        yield "scribble, as points", self.dice_of(*as_points)
        yield "3D box", self.dice_of(roi_box)
        for share, name in ((0.1, "a tenth outside"), (0.05, "a twentieth outside")):
            lasso = LassoPrompt(self.voxels(lasso_around(self.label, self.rng, share)))
            yield f"lasso, {name}", self.dice_of(lasso)
            i, j, _ = np.array(lasso.vertices_ijk).T
            box = BoxPrompt(self.voxel(int(i.min()), int(j.min())), self.voxel(int(i.max()), int(j.max())))
            yield f"loose box, {name}", self.dice_of(box)
            yield f"its pixels, {name}", dice(held(lasso, self.label.shape), self.label)
        self.starts: dict[str, Prompt] = {"click": self.click(self.label), "scribble": scribble, "box": self.box()}

    def corrections(self) -> Iterator[tuple[str, float]]:
        """Name and Dice of the three first prompts, and of each with one correction of either kind."""
        for name, first in self.starts.items():
            yield name, self.dice_of(first)
            mask = self.session.mask(1, SliceKey("K", self.k))
            missed, covered = largest_component(self.label & ~mask), largest_component(mask & ~self.label)
            is_missed = np.count_nonzero(missed) >= np.count_nonzero(covered)
            wrong = missed if is_missed else covered
            for kind in ("click", "scribble"):
                if wrong.any():
                    path = self.voxels(scribble_through(wrong, self.rng))
                    second = self.click(wrong, is_missed) if kind == "click" else ScribblePrompt(path, is_missed)
                    yield f"{name}, then {kind}", self.dice_of(first, second)
                else:
                    yield f"{name}, then {kind}", 1.0

    def dice_of(self, *prompts: Prompt) -> float:
        """Dice of the answer to these prompts."""
        edit = self.session.set_prompts(1, SliceKey("K", self.k), prompts)
        return dice(edit.after, self.label)

    def click(self, region: np.ndarray, positive: bool = True) -> PointPrompt:
        """A click on a random pixel of a region (J, I) bool."""
        rows, columns = np.nonzero(region)
        chosen = int(self.rng.integers(len(rows)))
        return PointPrompt(self.voxel(int(columns[chosen]), int(rows[chosen])), positive)

    def box(self) -> BoxPrompt:
        """The tight box of the label."""
        rows, columns = np.nonzero(self.label)
        low, high = (int(columns.min()), int(rows.min())), (int(columns.max()), int(rows.max()))
        return BoxPrompt(self.voxel(*low), self.voxel(*high))

    def voxel(self, i: int, j: int) -> tuple[int, int, int]:
        """A pixel of the slice as a voxel."""
        return i, j, self.k

    def voxels(self, pixels: Voxels) -> tuple[tuple[int, int, int], ...]:
        """Pixels (I, J) as voxels."""
        return tuple(self.voxel(i, j) for i, j in pixels)


def held(lasso: LassoPrompt, shape: tuple[int, ...]) -> np.ndarray:
    """(J, I) bool: what a lasso goes round."""
    return filled_polygon([(i, j) for i, j, _ in lasso.vertices_ijk], (shape[0], shape[1]))


def table(results: dict[str, Scores]) -> str:
    """Markdown: one row per condition, one column per model, and the paired change of the first one."""
    first = next(iter(results.values()))
    lines = [f"| prompt | slices | {' | '.join(results)} | change | against |", "|---" * (4 + len(results)) + "|"]
    for row, against in ROWS.items():
        means = (f"{np.mean(np.concatenate(scores[row])):.3f}" for scores in results.values())
        count = sum(map(len, first[row]))
        change = ""
        if against:
            objects = [np.mean(a) - np.mean(b) for a, b in zip(first[row], first[against], strict=True) if a]
            interval = mean_interval(np.array(objects))
            change = points({"mean": interval.mean, "low": interval.low, "high": interval.high})
        lines.append(f"| {row} | {count} | {' | '.join(means)} | {change} | {against or ''} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
