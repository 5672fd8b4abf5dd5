"""`dfqsam verify`: what a packed model loses against its float reference."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.outputs import refuse_overwrite, write_text
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
from .tables import print_table

if TYPE_CHECKING:
    from ..evaluate import Comparison, EvaluationProtocol, Evaluator

HEADINGS = ("prompt", "masks", "model", "reference", "drop [95%]", "same", "ellipse", "surface", "drop [95%]")
CAPTION = (
    "Mean Dice over masks. drop: reference minus model, in points (hundredths). same: Dice of the two models' answers. "
    "ellipse: Dice of the ellipse in the label's box, which needs no model. surface: share of the outlines within "
    "--tolerance of each other."
)


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "verify",
        help="accuracy of a model against a reference, on labelled data",
        description="Segment the same objects with two models and compare: Dice and outlines with the labels and with "
        "each other, paired by object, with 95 % bootstrap intervals. Exit code 3 when the drop is too large.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="packed model or float checkpoint")
    parser.add_argument(
        "--reference", type=Path, required=True, metavar="CHECKPOINT", help="float original, to compare MODEL with"
    )
    add_conventions_option(parser)
    add_data_options(parser)
    parser.add_argument(
        "--max-drop", type=float, default=2.0, metavar="POINTS", help="allowed loss in Dice points (default 2.0)"
    )
    parser.add_argument("--layers", action="store_true", help="also signal to noise of the encoder's parts (torch)")
    parser.add_argument("--html", type=Path, metavar="FILE.html", help="also write one page, worst cases first")
    add_report_options(parser)
    declare_files(parser, reads=("model", "reference", "data"), writes=("report", "html"))
    parser.set_defaults(run=run)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how models are measured."""
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        metavar="DIR",
        help="folder with labelled images, repeatable (default: the sample)",
    )
    parser.add_argument(
        "--prompts",
        metavar="LIST",
        help="some of box, 1pt, 3pt, 5pt: a box, or so many clicks (default: box,1pt,3pt; box alone for MedSAM)",
    )
    parser.add_argument("--every", type=int, default=2, metavar="N", help="every N-th labelled slice (default 2)")
    parser.add_argument(
        "--draws", type=int, default=3, metavar="N", help="how often random clicks are drawn anew (default 3)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=2.0,
        metavar="MM",
        help="how far apart outlines may be; in pixels where a picture has no spacing (default 2.0)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")


def protocol_of(args: argparse.Namespace) -> EvaluationProtocol:
    """The protocol that the options of `add_data_options` describe; raises ConfigError for an empty one."""
    from ..evaluate import EvaluationProtocol, Sampling

    return EvaluationProtocol(Sampling(every=args.every), args.draws, args.tolerance)


def open_evaluator(
    args: argparse.Namespace, reference: Path, progress: Any, conventions: str | None = None
) -> Evaluator:
    """The evaluator that the options of `add_data_options` describe; conventions: that the model has of its own."""
    from ..evaluate import Evaluator
    from ..evaluate.label_prompts import usual_kinds

    return Evaluator(
        reference,
        args.data,
        args.prompts.split(",") if args.prompts else usual_kinds(conventions or args.conventions),
        protocol=protocol_of(args),
        threads=args.threads,
        progress=progress,
        conventions=args.conventions,
    )


def run(args: argparse.Namespace) -> int:
    """Compare the models, print the tables, write the reports, check the drop."""
    from ..evaluate import check_drop

    described = _check(args)
    notes = list(described.get("card", described).get("notes", ()))
    with progress_callback(args) as progress:
        evaluator = open_evaluator(args, args.reference, progress, described["conventions"])
        comparison = evaluator.compare(args.model, progress)
        result = comparison.report() | _layers(args, evaluator) | {"notes": notes}
        _write_html(args, comparison, result)
    write_report(args, result)
    _print(result)
    print_notes(notes)
    check_drop(result["rows"], args.max_drop)
    return DONE


def _check(args: argparse.Namespace) -> dict[str, Any]:
    """Refuse before the long work what would stop it, or its reports, afterwards; what the model is."""
    from ..store.description import describe_file

    check_report(args)
    described = describe_file(args.model, args.conventions)
    if args.html is not None:
        from ..evaluate import html_report  # noqa: F401 (its libraries may be missing)

        refuse_overwrite(args.html, args.force)
    if args.layers:
        from ..evaluate.layer_noise import check_parts

        check_parts(args.model, args.reference)
    return described


def _layers(args: argparse.Namespace, evaluator: Evaluator) -> dict[str, Any]:
    if not args.layers:
        return {}
    from ..evaluate.layer_noise import LAYER_SLICES, measure_layers

    rows = measure_layers(evaluator, args.model, args.reference, args.conventions)
    return {"layers": rows, "layer_slices": min(LAYER_SLICES, len(evaluator.slices))}


def _write_html(args: argparse.Namespace, comparison: Comparison, result: dict[str, Any]) -> None:
    if args.html is None:
        return
    from ..evaluate.html_report import html_report

    write_text(args.html, html_report(comparison, result), args.force)


def _print(result: dict[str, Any]) -> None:
    for name, rows in (("modality", result["rows"]), ("size", result["size_rows"])):
        cells = ((row[name], *_cells(row)) for row in rows)
        print_table((name, *HEADINGS), cells, text_columns=2, caption=CAPTION if name == "size" else "")
    if "layers" in result:
        rows = ((row["name"], f"{row['own']:.1f}", f"{row['sum']:.1f}") for row in result["layers"])
        caption = "Signal to noise in dB. own: this part alone quantized. sum: with everything before it."
        print_table(("part", "own", "sum"), rows, caption=caption)
    for case in result["skipped"]:
        say(f"left out {case['case']}: {case['reason']}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from ..evaluate.metrics import points

    scores = [f"{row[name]['mean']:.3f}" for name in ("model", "reference", "agreement", "ellipse")]
    outlines = (f"{row['surface_dice']['model']['mean']:.3f}", points(row["surface_dice"]["drop"]))
    model, reference, same, ellipse = scores
    return row["prompt"], str(row["objects"]), model, reference, points(row["drop"]), same, ellipse, *outlines
