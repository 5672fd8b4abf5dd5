"""`dfqsam verify`: what a packed model loses against its float reference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .console import (
    DONE,
    Subparsers,
    add_progress_option,
    add_report_options,
    check_report,
    progress_callback,
    write_report,
)


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "verify",
        help="accuracy of a model against a reference, on labelled data",
        description="Segment the same objects with two models and compare: Dice with the labels and with each other, "
        "paired by object, with 95%% bootstrap intervals. Exit code 3 when the drop is too large.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="packed model or float checkpoint")
    parser.add_argument(
        "--reference", type=Path, required=True, metavar="CHECKPOINT", help="what MODEL is compared with"
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        metavar="DIR",
        help="folder with labelled images, repeatable (default: the sample)",
    )
    parser.add_argument("--prompts", default="box,1pt,3pt", metavar="LIST", help="of box, 1pt, 3pt (default: all)")
    parser.add_argument("--every", type=int, default=2, metavar="N", help="each n-th labelled slice (default 2)")
    parser.add_argument(
        "--max-drop", type=float, default=2.0, metavar="POINTS", help="allowed loss in Dice points (default 2.0)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")
    add_report_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare the models, print the table, check the drop."""
    from ..evaluate import Sampling, check_drop, compare_models

    check_report(args)
    with progress_callback(args) as progress:
        result = compare_models(
            args.model,
            args.reference,
            args.data,
            args.prompts.split(","),
            sampling=Sampling(every=args.every),
            threads=args.threads,
            progress=progress,
        )
    write_report(args, result)
    _print_table(result)
    check_drop(result["rows"], args.max_drop)
    return DONE


def _print_table(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Dice, mean over objects [95% interval]", title_justify="left")
    for heading in ("data", "prompt", "objects", "model", "reference", "drop (points)", "same mask", "ellipse in box"):
        table.add_column(heading, justify="left" if heading in ("data", "prompt") else "right")
    for row in result["rows"]:
        cells = [_interval(row["model"]), _interval(row["reference"]), _interval(row["drop"], 100, 2)]
        cells += [_interval(row["agreement"]), f"{row['ellipse']['mean']:.3f}"]
        table.add_row(row["modality"], row["prompt"], str(row["objects"]), *cells)
    console = Console()
    console.print(table)
    for case in result["skipped"]:
        console.print(f"left out {case['case']}: {case['reason']}", markup=False)


def _interval(value: dict[str, float], scale: float = 1, digits: int = 3) -> str:
    mean, low, high = (scale * value[name] for name in ("mean", "low", "high"))
    return f"{mean:.{digits}f} \\[{low:.{digits}f}, {high:.{digits}f}]"
