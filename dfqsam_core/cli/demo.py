"""`dfqsam demo`: the main job on the embedded model and CT slab."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .console import DONE, Subparsers, add_progress_option, progress_callback, write_json


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "demo",
        help="the main job on the embedded model and CT slab, offline",
        description="Quantize the embedded demonstration model without data, segment the embedded CT slab from prompts "
        "with the float and the packed 4-bit model, and leave label maps, an overlay picture and a report.",
    )
    parser.add_argument("--output", type=Path, default=Path("dfqsam-demo"), metavar="DIR", help="default: dfqsam-demo")
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration, write its report, say where things are."""
    from ..demo import FLOAT_LABELS, LABELS, MODEL, OVERLAY, REPORT, run_demo

    with progress_callback(args) as progress:
        result = run_demo(args.output, threads=args.threads, force=args.force, progress=progress)
    write_json(args.output / REPORT, result, args.force)
    _print_result(result)
    print(f"Look into {args.output}:")
    for name, what in (
        (OVERLAY, "float, 4-bit and their difference, organ by organ"),
        (LABELS, "label map of the packed 4-bit model"),
        (FLOAT_LABELS, "label map of the float model"),
        (MODEL, "the packed model (dfqsam info shows its card)"),
        (REPORT, "these numbers"),
    ):
        print(f"  {name:<34}{what}")
    return DONE


def _print_result(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Dice", title_justify="left")
    for heading in ("organ", "float with label", "4-bit with label", "4-bit with float"):
        table.add_column(heading, justify="left" if heading == "organ" else "right")
    for organ in result["organs"]:
        scores = (organ["float"], organ["packed_4_bit"], organ["packed_with_float"])
        table.add_row(organ["organ"], *(f"{score:.3f}" for score in scores))
    sizes = result["bytes"]
    console = Console()
    console.print(f"{result['what'].capitalize()}.", markup=False)
    console.print(table)
    console.print(
        f"File: {sizes['float_checkpoint'] / 1e6:.1f} MB (float16) to {sizes['packed'] / 1e6:.1f} MB. "
        f"Quantizing took {result['seconds']['quantize']:.0f} s.\n{result['caution']}\n",
        markup=False,
    )
