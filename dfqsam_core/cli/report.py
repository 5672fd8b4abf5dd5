"""`dfqsam report`: everything about a checkpoint on one page, for its owner to make once and send on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.outputs import refuse_overwrite, write_text
from ..errors import ConfigError
from ..quant.config import OFFERED_RECIPES
from .console import DONE, Subparsers, add_report_options, check_report, progress_callback, say, write_report
from .files import declare_files, refuse_folders_as_outputs
from .model_option import add_conventions_option
from .tables import print_table
from .verify import add_data_options, protocol_of

if TYPE_CHECKING:
    from ..quant import QuantConfig
    from ..report.run import ReportSettings


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "report",
        help="quantize, measure and time a checkpoint: one page to send on",
        description="Quantize a checkpoint with the recipes default and paper, measure what each loses on labelled "
        "data, time them, and write one HTML page. It holds no name of the data, and no image of it unless --pictures "
        "asks for some. Interrupted, the same command goes on from its work folder.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="float .pth or .safetensors")
    parser.add_argument(
        "-o",
        "--output",
        dest="page",
        type=Path,
        default=Path("dfqsam-report.html"),
        metavar="PAGE.html",
        help="page to write",
    )
    parser.add_argument(
        "--recipes", default="default,paper", metavar="LIST", help="recipes to quantize with (default: %(default)s)"
    )
    parser.add_argument("--images", type=int, metavar="N", help="synthetic images (default: each recipe's)")
    parser.add_argument("--iterations", type=int, metavar="N", help="steps per image (default: each recipe's)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same files (default 0)"
    )
    add_conventions_option(parser)
    add_data_options(parser)
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="timed runs (default 20)")
    parser.add_argument(
        "--pictures",
        type=int,
        default=0,
        metavar="N",
        help="show the N worst cases of each model, which are images of the data (default 0)",
    )
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="for models (default: beside the page)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and how long it takes")
    add_report_options(parser)
    declare_files(parser, reads=("checkpoint", "data"), writes=("page", "report"), fills=("work_dir",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the report, or estimate it with --dry-run."""
    from ..report.page import report_page
    from ..report.run import make_report

    refuse_overwrite(args.page, args.force)
    check_report(args)
    settings = _settings(args)
    refuse_folders_as_outputs([settings.work], args)
    _say_estimate(settings)
    if args.dry_run:
        say("Nothing written (dry run).")
        return DONE
    with progress_callback(args) as progress:
        result = make_report(settings, progress)
    write_text(args.page, report_page(result), args.force)
    write_report(args, result)
    _print(result)
    say(f"Written: {args.page}; the models are in {settings.work}")
    return DONE


def _settings(args: argparse.Namespace) -> ReportSettings:
    from ..evaluate.label_prompts import parse_prompt_kinds, usual_kinds
    from ..report.run import ReportSettings

    for name in ("runs", "pictures"):
        least = 1 if name == "runs" else 0
        if getattr(args, name) < least:
            raise ConfigError(f"--{name} is {getattr(args, name)}. Give {least} or more.")
    return ReportSettings(
        checkpoint=args.checkpoint,
        data=args.data,
        work=args.work_dir or args.page.with_suffix(".work"),
        configs=_configs(args),
        prompts=parse_prompt_kinds(args.prompts) if args.prompts else usual_kinds(args.conventions),
        protocol=protocol_of(args),
        threads=args.threads,
        runs=args.runs,
        pictures=args.pictures,
        conventions=args.conventions,
    )


def _configs(args: argparse.Namespace) -> tuple[QuantConfig, ...]:
    from ..quant import QuantConfig

    names = list(dict.fromkeys(name.strip() for name in args.recipes.split(",")))
    unknown = [name for name in names if name not in OFFERED_RECIPES]
    if unknown:
        raise ConfigError(f"There is no recipe {unknown[0]!r}. Choose from: {', '.join(OFFERED_RECIPES)}.")
    return tuple(
        QuantConfig.from_recipe(name, seed=args.seed, images=args.images, iterations=args.iterations) for name in names
    )


def _say_estimate(settings: ReportSettings) -> None:
    """Say before the long work what it is about; refuses an unusable checkpoint, and data without labels."""
    from ..evaluate.evaluator import cases_of
    from ..quant import estimate

    for config in settings.configs:
        estimated = estimate(settings.checkpoint, config, settings.threads, settings.conventions)
        minutes = sum(estimated["estimated_seconds"].values()) / 60
        size = estimated["bytes"]["packed_tensors"] / 1e6
        say(f"{config.recipe}: {size:.1f} MB, about {minutes:.1f} minutes on {estimated['threads']} threads")
    say(f"{len(cases_of(settings.data))} images with labels")


def _print(result: dict[str, Any]) -> None:
    from ..evaluate.metrics import points
    from ..report.page import overall_rows

    cells = (
        (part["name"], row["prompt"], str(row["objects"]), f"{row['model']['mean']:.3f}", points(row["drop"]))
        for part in result["recipes"]
        for row in overall_rows(part["rows"])
    )
    caption = (
        f"Mean Dice over objects. drop: float minus packed, in points; published: {result['published_drop_points']}."
    )
    print_table(("recipe", "prompt", "objects", "packed", "drop [95%]"), cells, text_columns=2, caption=caption)
