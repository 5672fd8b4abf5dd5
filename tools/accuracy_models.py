"""Makes the packed models of docs/measured/accuracy.md, for tools/accuracy_table.py.

Run: python tools/accuracy_models.py --case "(a) compact=CHECKPOINT" [--case NAME=CHECKPOINT ...] --real DIR \
         --output FOLDER [--row "W4A4 default" ...] [--threads N]

Each case is one float checkpoint. "default", "fast" and "paper" are the recipes as `dfqsam quantize` runs them; W8A8
and W6A6 are the default recipe with more bits, "seed 1" and "seed 2" with other random numbers; "nearest" is plain
round-to-nearest on the default recipe's images. Two bounds show what these images are worth: "noise" calibrates the
default recipe on Gaussian noise, "real" on labelled slices of DIR, which the product itself never does. What is there
already is not made again: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dfqsam_core.base.interpolation import resize_nearest
from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.cli.bars import progress_bars
from dfqsam_core.evaluate import Sampling, find_cases, load_slices
from dfqsam_core.evaluate.model_folder import ModelFolder
from dfqsam_core.evaluate.variants import changed
from dfqsam_core.quant import QuantConfig

DEFAULT = QuantConfig.from_recipe("default")
CONFIGS = {
    "W4A4 default": DEFAULT,
    "W4A4 default, seed 1": QuantConfig.from_recipe("default", seed=1),
    "W4A4 default, seed 2": QuantConfig.from_recipe("default", seed=2),
    "W4A4 nearest": QuantConfig.from_recipe("nearest"),
    "W4A4 paper": QuantConfig.from_recipe("paper"),
    "W4A4 default, noise": changed(DEFAULT, {"recipe": "noise", "synthesis.source": "noise"}),
    "W4A4 default, real slices": replace(DEFAULT, recipe="real"),
    "W6A6 default": QuantConfig.from_recipe("default", bits=6),
    "W8A8 default": QuantConfig.from_recipe("default", bits=8),
    "W4A4 fast": QuantConfig.from_recipe("fast"),
}
REAL = "W4A4 default, real slices"


def main() -> None:
    """Make every model that is not there yet, and note in cases.json which is which."""
    args = parse_arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    cases = {}
    for name, checkpoint in (case.rsplit("=", 1) for case in args.case):
        folder = ModelFolder(args.output, Path(checkpoint), args.threads, device=args.device)
        models = {row: str(make(folder, name, row, args.real)) for row in args.row or CONFIGS}
        cases[name] = {"reference": checkpoint, "models": models}
    with atomic_output(args.output / "cases.json", force=True) as temporary:
        temporary.write_text(json.dumps(cases, indent=2) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", required=True, metavar="NAME=CHECKPOINT")
    parser.add_argument("--real", type=Path, required=True, help="folder of labelled scans for the upper bound")
    parser.add_argument("--output", type=Path, required=True, help="folder of the models")
    parser.add_argument("--row", action="append", choices=CONFIGS, help="repeatable (default: all)")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="for images and calibration")
    return parser.parse_args()


def make(folder: ModelFolder, case: str, row: str, real: Path) -> Path:
    """One packed model."""
    print(f"{case}: {row}", file=sys.stderr)
    size = folder.checkpoint.architecture.image_size
    images: Callable[[], Tensor] | None = None
    if row == REAL:
        images = lambda: real_pixels(real, DEFAULT.synthesis.images, size)  # noqa: E731
    with progress_bars() as progress:
        return folder.model(CONFIGS[row], progress, images)


def real_pixels(folder: Path, count: int, size: int) -> Tensor:
    """At most `count` slices spread over the labelled scans of `folder`, windowed as `dfqsam verify` does."""
    slices = [item.image for case in find_cases(folder) for item in load_slices(case, Sampling())]
    even = np.linspace(0, len(slices) - 1, min(count, len(slices))).round().astype(int)
    chosen = [slices[index] for index in even]
    return torch.stack([torch.tensor(resize_nearest(image, size, size)) for image in chosen])[:, None].float() / 255


if __name__ == "__main__":
    main()
