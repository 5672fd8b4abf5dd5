"""What W4A4 and W8A8 cost MobileSAM, simulated.

Run: python -m research.studies.mobilesam mobilesam.safetensors --data DIR [--data DIR] --output FILE.md
         [--images 2] [--iterations 20] [--every 8]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate import LabelledSlice, Sampling, dice, find_cases, load_slices
from dfqsam_core.evaluate.metrics import mean_interval, points
from dfqsam_core.evaluate.trials import run_trials
from dfqsam_core.evaluate.variants import changed
from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.pipeline import single_threaded_kernels
from dfqsam_core.quant.synthesis.synthesis import synthesize

from .network import MobileSam, MobileSamPredictor
from .simulate import simulate

KINDS = ("box", "1pt")


def main() -> None:
    """Synthesize, simulate every recipe, measure, write the table."""
    args = parse_arguments()
    lines = []
    with single_threaded_kernels():
        for text in table(args):
            print(text, flush=True)
            lines.append(text + "\n")
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def table(args: argparse.Namespace) -> Iterator[str]:
    """The lines of the table."""
    slices = [item for case in find_cases(*args.data) for item in load_slices(case, Sampling(args.every))]
    exact = answers(MobileSam.from_file(args.checkpoint), slices)
    yield f"| MobileSAM, simulated | objects | {' | '.join(f'{k} Dice | {k} drop | {k} same' for k in KINDS)} |"
    yield "|---" * (2 + 3 * len(KINDS)) + "|"
    yield line("float", exact, exact)
    for name, config in configs(args).items():
        model = MobileSam.from_file(args.checkpoint)
        places = simulate(model.image_encoder, normalised(model, pixels(model, config)), config)
        yield line(f"{name} ({places} quantized products)", answers(model, slices), exact)


def configs(args: argparse.Namespace) -> dict[str, QuantConfig]:
    """The recipes, with few images: a step takes seconds at 1024 pixels."""
    default = changed(
        QuantConfig.from_recipe("default", images=args.images, iterations=args.iterations),
        {"synthesis.grid_points": 3, "calibration.rows": 4096},
    )
    noise = replace(default, synthesis=replace(default.synthesis, source="noise"))
    eight = {"weight_bits": 8, "activation_bits": 8, "softmax_bits": 8}
    return {
        "W4A4 default": default,
        "W4A4 default, noise": noise,
        "W4A4 nearest": replace(QuantConfig.from_recipe("nearest"), synthesis=default.synthesis),
        "W8A8 default": changed(default, eight),
    }


_MADE: dict[str, Tensor] = {}


def pixels(model: MobileSam, config: QuantConfig) -> Tensor:
    """Synthetic images (B, 1, S, S) in 0..1, made once for each kind of synthesis."""
    kind = repr(config.synthesis)
    if kind not in _MADE:
        # Duck-typed: MobileSam offers what the synthesis uses of a SamMed2D.
        images = synthesize(model, config.synthesis, config.seed)  # type: ignore[arg-type]
        _MADE[kind] = torch.cat([image.pixels for image in images])
    return _MADE[kind]


def normalised(model: MobileSam, gray: Tensor) -> Tensor:
    """Return what the encoder gets."""
    return model.normalize(gray.expand(-1, 3, -1, -1) * 255)


Answers = list[tuple[str, np.ndarray, np.ndarray]]


def answers(model: MobileSam, slices: Sequence[LabelledSlice]) -> Answers:
    """Kind of prompt, answer and label of every trial, one draw of clicks."""
    asked = run_trials(MobileSamPredictor(model), slices, KINDS, 1, 0, "ask")
    return [(trial.kind, answer, trial.target) for trial, answer in asked]


def line(name: str, found: Answers, exact: Answers) -> str:
    """One line of the table."""
    cells, objects = [], 0
    for kind in KINDS:
        pairs = [(a, e, target) for (k, a, target), (_, e, _) in zip(found, exact, strict=True) if k == kind]
        own = np.array([dice(a, target) for a, _, target in pairs])
        drop = np.array([dice(e, target) for _, e, target in pairs]) - own
        same = np.mean([dice(a, e) for a, e, _ in pairs])
        cells += [f"{own.mean():.3f}", points(asdict(mean_interval(drop))), f"{same:.3f}"]
        objects = len(pairs)
    return f"| {name} | {objects} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
