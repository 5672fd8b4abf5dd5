"""Makes the packed models of docs/accuracy.md from one checkpoint, for tools/accuracy_table.py.

Run: python tools/accuracy_models.py CHECKPOINT --real DIR --output FOLDER

"W4A4 default", "fast" and "paper" are the recipes as `dfqsam quantize` runs them; W8A8 and W6A6 are the default recipe
with more bits. Two bounds show what the synthetic images are worth: "noise" calibrates the default recipe on Gaussian
noise, "real" on labelled slices of DIR, which the product itself never does.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dfqsam_core.cli.bars import progress_bars
from dfqsam_core.evaluate import Sampling, find_cases, load_slices
from dfqsam_core.interpolation import resize_nearest
from dfqsam_core.model import SamMed2D
from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.quantize import pack, single_threaded_kernels, usable_cores
from dfqsam_core.quant.synthesis import synthesize
from dfqsam_core.store.checkpoint import Checkpoint, read_checkpoint
from dfqsam_core.store.model_file import write_model


def main() -> None:
    """Make every model that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--real", type=Path, required=True, help="folder of labelled scans for the upper bound")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    checkpoint = read_checkpoint(args.checkpoint)
    default = QuantConfig.from_recipe("default")
    noise = replace(default, recipe="noise", synthesis=replace(default.synthesis, source="noise"))
    with single_threaded_kernels():
        shared = synthetic_pixels(checkpoint, default)
        for bits in (8, 6):
            config = QuantConfig.from_recipe("default", bits=bits)
            save(args.output / f"w{bits}a{bits}.safetensors", checkpoint, config, shared)
        save(args.output / "default.safetensors", checkpoint, default, shared)
        save(args.output / "noise.safetensors", checkpoint, noise, synthetic_pixels(checkpoint, noise))
        real = real_pixels(args.real, default.synthesis.images, checkpoint.architecture.image_size)
        save(args.output / "real.safetensors", checkpoint, replace(default, recipe="real slices"), real)
        for recipe in ("fast", "paper"):
            config = QuantConfig.from_recipe(recipe)
            save(args.output / f"{recipe}.safetensors", checkpoint, config, synthetic_pixels(checkpoint, config))


def synthetic_pixels(checkpoint: Checkpoint, config: QuantConfig) -> Tensor:
    """Synthetic images of `config`, (B, 1, S, S) in 0..1."""
    model = SamMed2D.from_checkpoint(checkpoint)
    with progress_bars() as progress:
        images = synthesize(model, config.synthesis, config.seed, usable_cores(), progress=progress)
    return torch.cat([image.pixels for image in images])


def real_pixels(folder: Path, count: int, size: int) -> Tensor:
    """At most `count` slices spread over the labelled scans of `folder`, windowed as `dfqsam verify` does."""
    slices = [item.image for case in find_cases(folder) for item in load_slices(case, Sampling())]
    even = np.linspace(0, len(slices) - 1, min(count, len(slices))).round().astype(int)
    chosen = [slices[index] for index in even]
    return torch.stack([torch.tensor(resize_nearest(image, size, size)) for image in chosen])[:, None].float() / 255


def save(path: Path, checkpoint: Checkpoint, config: QuantConfig, pixels: Tensor) -> None:
    """Calibrate on `pixels` and write the packed model, replacing an older one."""
    print(path.stem, file=sys.stderr)
    write_model(
        path, pack(SamMed2D.from_checkpoint(checkpoint), checkpoint, pixels, config, usable_cores()), force=True
    )


if __name__ == "__main__":
    main()
