"""Does the measure under a propagated slice find the bad ones? Writes docs/measured/trust.md.

python tools/trust_table.py --data ../shared/data/ct --data ../shared/data/mr --output docs/measured/trust.md
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate import dice
from dfqsam_core.resources import DEMO_MODEL, resource_path
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import SliceKey, propagate
from dfqsam_core.volume.session.trust import WEAK_SHARE

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.propagation_table import object_session, prompted
from tools.volume_targets import Target, measured

_BAD_DICE = 0.7
_THRESHOLDS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8)
_PAGE = """# How far a propagated slice is to be trusted

The marks under a view find {found} % of the bad propagated slices, and mark {marked} % of all slices: {right} % of the
marked ones are bad.

The strip under a view draws for every propagated slice the product of the model's own estimate, the IoU with the shape
between its neighbours and, after a thorough propagation, the IoU with what the other planes made of it. Slices below
{weak} are marked. The measure knows no truth. This is what it is worth on {slices} propagated slices of {objects}
objects, from one and from three prompted slices without the other planes, with the embedded 4-bit model (packed). A
slice is bad where its Dice is below {bad}: {percent} % of them are.

| marked below | slices marked | of the bad ones marked | of the marked ones bad | Dice marked | Dice others |
|---:|---:|---:|---:|---:|---:|
{table}

A mark says "look here", not "wrong".

Share of pairs of a bad and a good slice that a measure orders right: product {product}, model alone {model},
neighbours alone {neighbours}.

Made by: `{command}`
"""
# Of a slice: Dice, share, the model's estimate, likeness to the neighbours.
_Row = tuple[float, float, float, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Propagate every object from one and from three slices, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="volumes measured side by side (default: %(default)s)")
    args = parser.parse_args(argv)
    found = measured(rows_of, [f"embedded={resource_path(DEMO_MODEL)}"], args.data, 1, args.jobs)["embedded"]
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text(page(np.array(found["rows"]), len(found["targets"]), args.data), encoding="utf-8")
    return 0


def rows_of(model: object, targets: Sequence[Target]) -> dict[str, list[Any]]:
    """The propagated slices of the objects of one volume, and the objects' numbers."""
    cache = EmbeddingCache()
    rows = [
        row
        for target in targets
        for count in (1, 3)
        for row in slices_of(model, cache, target, prompted(target, count))
    ]
    return {"rows": rows, "targets": [target.number for target in targets]}


def slices_of(model: object, cache: EmbeddingCache, target: Target, slices: Iterable[int]) -> list[_Row]:
    """The propagated slices of an object over its own extent."""
    session = object_session(model, cache, target, slices)
    first, last = int(target.extent[0]), int(target.extent[-1])
    propagate(session, 1, "K", first, last)
    rows = []
    for k in range(first, last + 1):
        found = session.prediction(1, SliceKey("K", k))
        if found is not None and found.trust is not None:
            trust = found.trust
            # The embedded model has estimates.
            estimate = 0.0 if trust.is_shape_alone else trust.predicted_iou or 0.0
            rows.append((dice(found.mask, target.mask[k]), trust.share, estimate, trust.neighbours))
    return rows


def page(rows: np.ndarray, objects: int, data: Iterable[Path]) -> str:
    """The page in Markdown."""
    scores, shares = rows[:, 0], rows[:, 1]
    command = (
        f"python tools/trust_table.py {' '.join(f'--data {folder}' for folder in data)} --output docs/measured/trust.md"
    )
    marked, bad = shares < WEAK_SHARE, scores < _BAD_DICE
    words = {
        "found": f"{100 * marked[bad].mean():.0f}",
        "marked": f"{100 * marked.mean():.0f}",
        "right": f"{100 * bad[marked].mean():.0f}",
        "weak": WEAK_SHARE,
        "slices": len(rows),
        "objects": objects,
        "bad": _BAD_DICE,
        "percent": f"{100 * (scores < _BAD_DICE).mean():.0f}",
        "table": "\n".join(_line(scores, shares, threshold) for threshold in _THRESHOLDS),
        "product": f"{_ordered(scores, shares):.2f}",
        "model": f"{_ordered(scores, rows[:, 2]):.2f}",
        "neighbours": f"{_ordered(scores, rows[:, 3]):.2f}",
        "command": command,
    }
    return _PAGE.format(**words)


def _line(scores: np.ndarray, shares: np.ndarray, threshold: float) -> str:
    marked, bad = shares < threshold, scores < _BAD_DICE
    found, right = 100 * marked[bad].mean(), 100 * bad[marked].mean() if marked.any() else math.nan
    inside = scores[marked].mean() if marked.any() else math.nan
    return (
        f"| {threshold} | {100 * marked.mean():.0f} % | {found:.0f} % | {right:.0f} % | {inside:.3f} | "
        f"{scores[~marked].mean():.3f} |"
    )


def _ordered(scores: np.ndarray, measure: np.ndarray) -> float:
    bad, good = measure[scores < _BAD_DICE], measure[scores >= _BAD_DICE]
    return float(((bad[:, None] < good[None]) + 0.5 * (bad[:, None] == good[None])).mean())


if __name__ == "__main__":
    sys.exit(main())
