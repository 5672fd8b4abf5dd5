"""`dfqsam quantize`: a float checkpoint becomes a packed 4-bit model, without data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.outputs import refuse_overwrite
from ..quant.config import OFFERED_RECIPES
from .console import (
    DONE,
    Subparsers,
    add_report_options,
    check_report,
    print_notes,
    progress_callback,
    say,
    write_report,
)
from .files import declare_files
from .model_option import add_conventions_option

if TYPE_CHECKING:
    from ..quant import QuantConfig


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "quantize",
        help="float checkpoint to packed 4-bit model, without data",
        description="Turn a float SAM-Med2D or SAM checkpoint into a packed low-bit model, from the checkpoint alone.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="float .pth or .safetensors")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="MODEL.safetensors", help="packed model to write"
    )
    add_conventions_option(parser)
    add_recipe_options(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same file (default 0)"
    )
    parser.add_argument(
        "--auxiliary",
        metavar="FILE",
        help="optional TorchScript or ONNX segmenter that adds pixel labels to the synthesis",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where torch computes (default: cpu)")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="keep finished parts here, for --resume")
    parser.add_argument("--resume", action="store_true", help="continue what --work-dir holds")
    parser.add_argument("--preview", type=Path, metavar="DIR", help="write synthetic images and their labels as PNG")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print sizes and estimated times, write no model (needs no torch)",
    )
    add_report_options(parser)
    declare_files(parser, reads=("checkpoint", "auxiliary"), writes=("output", "report"), fills=("work_dir", "preview"))
    parser.set_defaults(run=run)


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a recipe and changes its size."""
    parser.add_argument(
        "--recipe", default="default", choices=OFFERED_RECIPES, help="settings under a name (default: default)"
    )
    parser.add_argument(
        "--bits", type=int, default=4, metavar="N", help="bits of weights and inputs, 4 to 8 (default 4)"
    )
    parser.add_argument("--images", type=int, metavar="N", help="synthetic images (default: the recipe's)")
    parser.add_argument("--iterations", type=int, metavar="N", help="steps per image (default: the recipe's)")


def run(args: argparse.Namespace) -> int:
    """Quantize, or estimate with --dry-run."""
    from ..quant import QuantConfig

    config = QuantConfig.from_recipe(
        args.recipe,
        bits=args.bits,
        seed=args.seed,
        images=args.images,
        iterations=args.iterations,
        auxiliary=args.auxiliary,
    )
    return _estimate(args, config) if args.dry_run else _quantize(args, config)


def _quantize(args: argparse.Namespace, config: QuantConfig) -> int:
    from ..base.machine import peak_memory_bytes
    from ..quant import quantize

    refuse_overwrite(args.output, args.force)
    check_report(args)
    _say_worth(config)
    with progress_callback(args) as progress:
        result = quantize(
            args.checkpoint,
            args.output,
            config,
            threads=args.threads,
            device=args.device,
            work_dir=args.work_dir,
            resume=args.resume,
            preview_dir=args.preview,
            force=args.force,
            progress=progress,
            conventions=args.conventions,
        )
    write_report(args, {**result, "peak_memory_bytes": peak_memory_bytes()})
    say(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, from {args.checkpoint.stat().st_size / 1e6:.1f} MB")
    print_notes(result["card"].get("notes", ()))
    return DONE


def _estimate(args: argparse.Namespace, config: QuantConfig) -> int:
    from ..quant import estimate

    check_report(args)
    estimated = estimate(args.checkpoint, config, args.threads, args.conventions)
    write_report(args, estimated)
    _print_estimate(estimated)
    _say_worth(config)
    print_notes(estimated["notes"])
    say("Nothing written (dry run).")
    return DONE


def _say_worth(config: QuantConfig) -> None:
    from ..quant.worth import worth_of

    if worth := worth_of(config):
        say(worth)


def _print_estimate(estimated: dict[str, Any]) -> None:
    say(f"{estimated['architecture']}, on {estimated['threads']} threads")
    for part, size in estimated["bytes"].items():
        say(f"  {part.replace('_', ' '):<28}{size / 1e6:>10.1f} MB")
    for reason, layers in estimated["left_in_float"].items():
        say(f"  {len(layers)} layers of the image encoder stay float: {reason}")
    for part, seconds in estimated["estimated_seconds"].items():
        say(f"  {part + ', about':<28}{seconds:>10.0f} s")
    say(f"  {'memory at most, about':<28}{estimated['estimated_peak_bytes'] / 1e9:>10.1f} GB")
