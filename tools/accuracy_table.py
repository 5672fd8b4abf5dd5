"""Writes docs/accuracy.md: several models through `dfqsam verify`'s comparison, beside one float reference.

Run: python tools/accuracy_table.py --reference FLOAT.safetensors --data DIR [--data DIR] \
         --model "W4A4 fast=fast.safetensors" [--model NAME=FILE ...] --output docs/accuracy.md

All models see the same objects and the same prompts.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from dfqsam_core.cli.bars import progress_bars
from dfqsam_core.evaluate import Sampling, compare_models
from dfqsam_core.outputs import atomic_output

PROMPTS = ("box", "1pt", "3pt", "5pt")
INTRODUCTION = """# Accuracy, as measured

Mean Dice over objects on slices of the subjects listed below, and the drop against the float reference in Dice points
with its 95 % bootstrap interval (paired by object; positive is worse). Box: the label's tight box. 1pt: one random
pixel of the label. 3pt, 5pt: two or four corrections more, each a random pixel of the largest region that the model's
own answer gets wrong. The last row needs no model: the ellipse inscribed in the box. Every quantized row is a packed
file run in integers by the engine; nothing is simulated. "noise" and "real slices" are bounds: the recipe calibrated
on Gaussian noise, and on labelled slices of another subject, which the product never does. `tools/accuracy_models.py`
makes the files.

These numbers belong to the small demonstration model, not to SAM-Med2D ViT-B, and to very few subjects: differences of
a few tenths of a point mean nothing, and objects of one slice are not independent. Which subjects the model was trained
on: docs/training.md and its card.
"""


def main() -> None:
    """Compare every model and write the table."""
    args = parse_arguments()
    results: dict[str, dict[str, Any]] = {}
    for name, file in [("float", args.reference), *(model.split("=", 1) for model in args.model)]:
        print(name, file=sys.stderr)
        with progress_bars() as progress:
            results[name] = compare_models(
                file,
                args.reference,
                args.data,
                PROMPTS,
                sampling=Sampling(every=args.every),
                threads=args.threads,
                progress=progress,
            )
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text(document(results, shlex.join(sys.argv)), encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=Path("docs/accuracy.md"))
    return parser.parse_args()


def document(results: dict[str, dict[str, Any]], command: str) -> str:
    """Return the whole page."""
    first = next(iter(results.values()))
    groups = list(dict.fromkeys((row["modality"], row["objects"]) for row in first["rows"]))
    tables = [table(results, modality, objects) for modality, objects in groups]
    protocol = first["protocol"]
    images = ", ".join(first["data"])
    facts = (
        f"Protocol: one in {protocol['every']} labelled slices across the acquisition axis ({protocol['slices']}); "
        f"per label its largest component of at least {protocol['min_pixels']} pixels on the 256 x 256 square; at most "
        f"{protocol['masks_per_slice']} objects a slice, drawn with seed {protocol['seed']}. Images: {images}.\n"
    )
    return "\n".join([INTRODUCTION, *tables, facts, f"Made by: `{command}`\n"])


def table(results: dict[str, dict[str, Any]], modality: str, objects: int) -> str:
    """Return the Markdown table of one modality."""
    head = " | ".join(f"{prompt} Dice | {prompt} drop" for prompt in PROMPTS)
    lines = [f"## {modality}: {objects} objects\n", f"| model | MB | {head} |", "|---" * (2 + 2 * len(PROMPTS)) + "|"]
    for name, result in results.items():
        cells = [cell for prompt in PROMPTS for cell in scores(row_of(result, modality, prompt), name == "float")]
        lines.append(f"| {name} | {result['model']['bytes'] / 1e6:.1f} | {' | '.join(cells)} |")
    ellipse = row_of(next(iter(results.values())), modality, "box")["ellipse"]["mean"]
    lines.append(f"| ellipse in the box | | {ellipse:.3f} |" + " |" * (2 * len(PROMPTS) - 1))
    return "\n".join(lines) + "\n"


def row_of(result: dict[str, Any], modality: str, prompt: str) -> dict[str, Any]:
    """Return the row of one modality and prompt."""
    return next(row for row in result["rows"] if (row["modality"], row["prompt"]) == (modality, prompt))


def scores(row: dict[str, Any], is_reference: bool) -> tuple[str, str]:
    """Return the cells "Dice" and "drop [low, high]"; the reference has no drop."""
    mean, low, high = (100 * row["drop"][name] for name in ("mean", "low", "high"))
    return f"{row['model']['mean']:.3f}", "" if is_reference else f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


if __name__ == "__main__":
    main()
