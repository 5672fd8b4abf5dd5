"""`dfqsam ablate`: what each part of a recipe is worth, on labelled data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..base.outputs import refuse_overwrite, write_text
from ..errors import ConfigError
from .console import DONE, Subparsers, add_report_options, check_report, progress_callback, say, write_report
from .files import declare_files
from .model_option import add_conventions_option
from .quantize import add_recipe_options
from .verify import add_data_options, open_evaluator

INTRODUCTION = (
    "Dice points, mean over objects with a 95 % bootstrap interval. drop: float minus variant. worse: {first} minus "
    "variant, paired by object. same: Dice with the float model's answer. {seeds} seeds of the synthesis, {draws} "
    "draws of random clicks, {objects} objects.\n"
)


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "ablate",
        help="what each part of a recipe is worth, on labelled data",
        description="Quantize a checkpoint several times, each time with one setting of the recipe changed, and "
        "measure all models on the same labelled objects. Models and images stay in --output; interrupted, the same "
        "command goes on.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="float .pth or .safetensors")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for models and images")
    add_conventions_option(parser)
    add_recipe_options(parser)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="syntheses of each variant (default 3)")
    parser.add_argument("--only", metavar="LIST", help="names of built-in variants (default: all; 'none' for none)")
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME:SETTING=VALUE,...",
        help="a variant of your own, repeatable, for instance 'two images:synthesis.images=2'",
    )
    parser.add_argument("--table", type=Path, metavar="FILE.md", help="also write the table as Markdown")
    add_data_options(parser)
    add_report_options(parser)
    declare_files(parser, reads=("checkpoint", "data"), writes=("report", "table"), fills=("output",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the models, measure them, print the table."""
    from ..evaluate.ablation import ablate, markdown_table
    from ..evaluate.model_folder import ModelFolder
    from ..quant import QuantConfig

    check_report(args)
    if args.table is not None:
        refuse_overwrite(args.table, args.force)
    config = QuantConfig.from_recipe(args.recipe, bits=args.bits, images=args.images, iterations=args.iterations)
    variants = _variants(args, config)
    args.output.mkdir(parents=True, exist_ok=True)
    models = ModelFolder(args.output, args.checkpoint, args.threads, args.conventions)
    with progress_callback(args) as progress:
        evaluator = open_evaluator(args, args.checkpoint, progress)
        rows = ablate(models, evaluator, config, variants, args.seeds, progress)
    facts = {"seeds": args.seeds, "draws": args.draws, "objects": rows[0]["objects"], "first": next(iter(variants))}
    text = INTRODUCTION.format(**facts) + "\n" + markdown_table(rows)
    write_report(args, {"variants": variants, "recipe": config.to_dict(), "rows": rows})
    if args.table is not None:
        write_text(args.table, text, args.force)
    say(text)
    return DONE


def _variants(args: argparse.Namespace, config: Any) -> dict[str, dict[str, Any]]:
    """Settings by name, all of them tried on `config`; the whole recipe is always the first."""
    from ..evaluate.variants import VARIANTS, WHOLE, changed, parse_variant

    if args.seeds < 1:
        raise ConfigError(f"{args.seeds} seeds measure nothing. Give 1 or more.")
    wanted = list(VARIANTS) if args.only is None else [name.strip() for name in args.only.split(",") if name.strip()]
    wanted = [] if wanted == ["none"] else wanted
    unknown = [name for name in wanted if name not in VARIANTS]
    if unknown:
        raise ConfigError(f"There is no variant {unknown[0]!r}. Choose from: {', '.join(VARIANTS)}.")
    chosen = {name: VARIANTS[name] for name in dict.fromkeys([WHOLE, *wanted])}
    chosen |= dict(map(parse_variant, args.variant))
    for settings in chosen.values():
        changed(config, settings)
    return chosen
