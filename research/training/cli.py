"""The command line of the trainer."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from dfqsam_core.cli.console import DONE, guarded
from dfqsam_core.errors import ConfigError

ROOM = Path(".train")
KINDS = ("demonstration", "laboratory", "tiny")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m research.training", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    _add_prepare(verbs.add_parser("prepare", help="make bank, validation slices and starting weights from the data"))
    _add_salvage(verbs.add_parser("salvage", help="starting weights from an average that lost some of its files"))
    _add_train(verbs.add_parser("train", help="train a model, or go on with it"))
    _add_finalize(verbs.add_parser("finalize", help="write the checkpoint of a training, and report on it"))
    _add_report(verbs.add_parser("report", help="tables and pictures of a checkpoint file"))
    _add_curves(verbs.add_parser("curves", help="learning curves of trainings that went on from one another"))
    _add_benchmark(verbs.add_parser("benchmark", help="time the parts of a step"))
    return guarded(_run, parser.parse_args(arguments))


def _run(given: argparse.Namespace) -> int:
    given.run(given)
    return DONE


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of scans, as listed in sources.py")
    parser.add_argument("--models", type=Path, required=True, help="folder of the source weights")
    parser.add_argument("--decoder", type=Path, help="file whose prompt encoder, decoder and neck replace MobileSAM's")
    parser.add_argument("--out", type=Path, default=ROOM)
    parser.set_defaults(run=_prepare)


def _prepare(given: argparse.Namespace) -> None:
    from safetensors.torch import load_file

    from .bank import build_bank, save_bank
    from .initial import COMPACT_LEAVES_OUT, DINOV2_LEAVES_OUT, from_compact, from_dinov2, shared_parts
    from .validation import build_validation
    from .weights import save_start

    (given.out / "data").mkdir(parents=True, exist_ok=True)
    save_bank(given.out / "data" / "bank.npz", build_bank(given.data))
    build_validation(given.data, given.out / "data" / "validation.npz")
    save_start(from_compact(given.models), COMPACT_LEAVES_OUT, given.out / "data" / "compact.safetensors")
    dinov2 = from_dinov2(load_file(given.models / "dinov2_vit_s14_fp16.safetensors"))
    shared = shared_parts(given.decoder or given.models / "mobilesam.safetensors")
    save_start(shared | dinov2, DINOV2_LEAVES_OUT, given.out / "data" / "dinov2.safetensors")
    for path in sorted((given.out / "data").iterdir()):
        print(f"{path} {path.stat().st_size / 2**20:.1f} MiB")


def _add_salvage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("average", type=Path, help="folder average of a laboratory training")
    parser.add_argument("--base", type=Path, required=True, help="the starting weights of that training")
    parser.add_argument("--decoder", type=Path, required=True, help="file that gives prompt encoder, decoder and neck")
    parser.add_argument("--out", type=Path, required=True, help="starting weights to write, .safetensors")
    parser.set_defaults(run=_salvage)


def _salvage(given: argparse.Namespace) -> None:
    from .initial import salvage
    from .weights import save_start

    weights, left_out = salvage(given.average, given.base, given.decoder)
    save_start(weights, left_out, given.out)
    print(f"{len(weights)} tensors; these start anew: {', '.join(left_out)}")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--steps", type=int, help="length of the schedule; without it, it ends at --time-limit")
    parser.add_argument("--images", type=int, default=128, help="images a step")
    parser.add_argument("--shares", type=int, default=1, help="parts of a step's images, dealt out to the processes")
    parser.add_argument("--prompts", type=int, default=6, help="targets an image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of this training")
    parser.add_argument("--bank", type=Path, default=ROOM / "data" / "bank.npz")
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument("--validation", type=Path, default=ROOM / "data" / "validation.npz")
    seen.add_argument("--no-validation", dest="validation", action="store_const", const=None, help="learn only")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", type=Path, help="starting weights, or the folder average of another training")
    source.add_argument("--random-start", dest="weights", action="store_const", const=None, help="start from noise")
    parser.add_argument("--base", type=Path, help="the start of a laboratory average, which lacks what was not trained")
    parser.add_argument("--rate", type=float, default=1.0, help="scale of the learning rates; 0.8 after an average")
    parser.add_argument(
        "--frozen-blocks", type=int, default=0, help="leave so many of the encoder's first blocks as is"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--time-limit", dest="time_limit_s", type=float, help="seconds, start-up included")
    parser.add_argument("--save-every", dest="save_every_s", type=float, default=240, help="seconds")
    parser.add_argument("--validate-every", dest="validate_every_s", type=float, default=120, help="seconds")
    parser.add_argument("--outlines", type=Path, nargs="*", default=(), help="masks of another network, .npz")
    parser.add_argument("--area-power", type=float, default=0.0, help="a target's chance is its area to this power")
    parser.add_argument("--click-spread", type=float, default=0.05, help="weight of all three masks of a single click")
    parser.add_argument(
        "--annotated-quality", action="store_true", help="which mask of a click is best is learned of annotations alone"
    )
    _add_fast(parser)
    parser.add_argument("--resume", action="store_true")
    parser.set_defaults(run=_train)


def _add_fast(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fast", action="store_true", help="compiled and fused kernels, not reproducible bit for bit")


def _train(given: argparse.Namespace) -> None:
    from .plan import Plan
    from .train import train

    if given.steps is None and given.time_limit_s is None:
        raise ConfigError("Nothing says how long to train. Give --steps, or --time-limit in seconds.")
    values = {name: value for name, value in vars(given).items() if name not in ("run", "resume")}
    values |= {"outlines": tuple(given.outlines), "time_limit_s": given.time_limit_s or math.inf}
    train(Plan(**values), given.resume)


def _add_finalize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("training", type=Path, help="folder of a training (its subfolder 'average' is read)")
    parser.add_argument("--base", type=Path, help="the starting weights of a laboratory training")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write, .safetensors")
    _add_measurement(parser)
    parser.set_defaults(run=_finalize)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="a complete .safetensors file")
    parser.add_argument("--kind", choices=KINDS, default="demonstration")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and pictures")
    _add_measurement(parser)
    parser.set_defaults(run=_report)


def _add_measurement(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--validation", type=Path, default=ROOM / "data" / "validation.npz")
    parser.add_argument("--repeats", type=int, default=5, help="draws of the clicks")
    parser.add_argument("--device", default="cpu")


def _finalize(given: argparse.Namespace) -> None:
    from .finalize import finalize, report

    kind = finalize(given.training, given.base, given.out)
    report(given.out, kind, given.validation, given.out.parent, given.repeats, given.device)


def _report(given: argparse.Namespace) -> None:
    from .finalize import report

    report(given.checkpoint, given.kind, given.validation, given.out, given.repeats, given.device)


def _add_curves(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trainings", type=Path, nargs="+", help="folders of trainings, in their order")
    parser.add_argument("--out", type=Path, required=True, help="picture to write, .png")
    parser.set_defaults(run=_curves)


def _curves(given: argparse.Namespace) -> None:
    from .curves import draw_curves

    draw_curves(given.trainings, given.out)


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--bank", type=Path, default=ROOM / "data" / "bank.npz")
    parser.add_argument("--device", default="cuda")
    _add_fast(parser)
    parser.add_argument("--profile", action="store_true", help="list the dearest operations")
    parser.set_defaults(run=_benchmark)


def _benchmark(given: argparse.Namespace) -> None:
    from .benchmark import benchmark

    benchmark(**{name: value for name, value in vars(given).items() if name != "run"})
