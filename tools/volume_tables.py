"""Writes windows.md, propagation.md or corrections.md in docs/measured: objects of labelled volumes, by VolumeSession.

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
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate import dice
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import WINDOW_PRESETS, VolumeSession, WindowLevel, auto_window, propagate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.correction_table import Corrected, correction_page, measure_corrections
from tools.propagation_table import measure_propagation, object_session, prompted, propagation_page
from tools.volume_targets import Target, measured, table

EVERY = 3
WINDOWS_TEXT = """# Which window the model should see

**The automatic window is as good as any preset.**

Mean Dice of a tight box on every third slice of an object, per window. The command's default is `auto`: for CT the
abdomen preset (unless most of the body is lung or bone), otherwise percentiles 0.5 and 99.5 of the foreground.
"full range" is the smallest to the largest value of the volume. No preset comes out above abdomen by more than these
few subjects can decide.
"""


def main() -> None:
    """Measure and write the page."""
    args = parse_arguments()
    results = measured(MEASURES[args.table], args.model, args.data, args.threads, args.jobs)
    parts = PAGES[args.table](results)
    page = "\n".join([*parts, f"Made by: `{shlex.join(['python', *sys.argv])}`\n"])
    with atomic_output(args.output or Path(f"docs/measured/{args.table}.md"), force=True) as temporary:
        temporary.write_text(page, encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("windows", "propagation", "corrections"))
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--threads", type=int, default=1, help="of one process (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="volumes measured side by side (default: %(default)s)")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def measure_windows(model: Any, targets: list[Target]) -> dict[str, dict[str, list[float]]]:
    """Dice values by modality and window."""
    scores: dict[str, dict[str, list[float]]] = {}
    cache = EmbeddingCache()
    for target in targets:
        automatic = auto_window(target.volume.voxels_kji, target.volume.modality)
        modality = "CT" if "CT" in automatic.source else "MR"
        finite = target.volume.voxels_kji[np.isfinite(target.volume.voxels_kji)]
        windows = {"auto": automatic, "full range": WindowLevel.from_bounds(float(finite.min()), float(finite.max()))}
        for name, window in (windows | (WINDOW_PRESETS if modality == "CT" else {})).items():
            session = VolumeSession(target.volume, model, window, cache=cache)
            values = scores.setdefault(modality, {}).setdefault(name, [])
            values += [slice_dice(session, target, int(k)) for k in target.extent[::EVERY]]
    return scores


def slice_dice(session: VolumeSession, target: Target, k: int) -> float:
    """Dice of the box's answer on slice k."""
    if not session.segments:
        session.add_segment(1, "object")
    session.add_prompt(1, target.box(k))
    return dice(session.labels_kji[k], target.mask[k])


def measure_corrected(model: Any, targets: list[Target]) -> list[Corrected]:
    """Every third propagated slice of each object, corrected; prompted is its largest slice."""
    cache = EmbeddingCache()

    def propagated(target: Target) -> VolumeSession:
        session = object_session(model, cache, target, prompted(target, 1))
        if session.labels_kji.any():
            propagate(session, 1, "K", int(target.extent[0]), int(target.extent[-1]))
        return session

    return measure_corrections(targets, propagated, EVERY)


def windows_page(results: dict[str, Any]) -> list[str]:
    """The parts of docs/measured/windows.md."""
    return [WINDOWS_TEXT, table(results)]


def corrections_page(results: dict[str, Any]) -> list[str]:
    """The parts of docs/measured/corrections.md."""
    return [correction_page(results)]


MEASURES = {"windows": measure_windows, "propagation": measure_propagation, "corrections": measure_corrected}
PAGES = {"windows": windows_page, "propagation": propagation_page, "corrections": corrections_page}


if __name__ == "__main__":
    main()
