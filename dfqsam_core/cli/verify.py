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
from .tables import print_table

HEADINGS = ("data", "prompt", "masks", "model", "reference", "drop [95%]", "same", "ellipse")
CAPTION = (
    "Mean Dice over masks. drop: reference minus model, in Dice points. same: Dice of the two models' answers. "
    "ellipse: Dice of the ellipse in the label's box, which needs no model."
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
    parser.add_argument(
        "--prompts", default="box,1pt,3pt", metavar="LIST", help="of box, 1pt, 3pt, 5pt (default %(default)s)"
    )
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
    print_table(HEADINGS, map(_cells, result["rows"]), text_columns=2, caption=CAPTION)
    for case in result["skipped"]:
        print(f"left out {case['case']}: {case['reason']}")
    check_drop(result["rows"], args.max_drop)
    return DONE


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    mean, low, high = (100 * row["drop"][name] for name in ("mean", "low", "high"))
    model, reference, same, ellipse = (
        f"{row[name]['mean']:.3f}" for name in ("model", "reference", "agreement", "ellipse")
    )
    drop = f"{mean:.2f} [{low:.2f}, {high:.2f}]"
    return row["modality"], row["prompt"], str(row["objects"]), model, reference, drop, same, ellipse
