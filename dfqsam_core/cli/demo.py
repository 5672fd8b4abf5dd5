"""`dfqsam demo`: the main job on the embedded model and CT slab."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from ..base.installation import extra_of
from ..base.outputs import write_json, write_text
from ..resources import DEMO_VOLUME, resource_path
from .console import DONE, Subparsers, add_progress_option, progress_callback, say
from .files import declare_files


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "demo",
        help="try everything on the embedded model and CT, offline",
        description="Quantize the embedded demonstration model without data, segment the embedded CT slab from prompts "
        "with the float and the packed 4-bit model, and leave label maps, an overlay picture and a report.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("dfqsam-demo"),
        metavar="DIR",
        help="folder for the results (default: dfqsam-demo)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_progress_option(parser)
    declare_files(parser, reads=(), writes=(), fills=("output",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration, write its report, say where things are."""
    from ..demo.run import FLOAT_LABELS, LABELS, MODEL, OVERLAY, REPORT, REPORT_TEXT, SEGMENTS, run_demo

    with progress_callback(args) as progress:
        result = run_demo(args.output, threads=args.threads, force=args.force, progress=progress)
    write_json(args.output / REPORT, result, args.force)
    text = _summary(result)
    write_text(args.output / REPORT_TEXT, text, args.force)
    say(text)
    say(f"Look into {args.output}:")
    for name, what in (
        (OVERLAY, "float, 4-bit and their difference, organ by organ"),
        (LABELS, "label map of the packed 4-bit model"),
        (SEGMENTS, "the same with the organs' names, for 3D Slicer and the viewer"),
        (FLOAT_LABELS, "label map of the float model"),
        (MODEL, "the packed model (dfqsam info shows its card)"),
        (f"{REPORT}, {REPORT_TEXT}", "these numbers"),
    ):
        say(f"  {name:<34}{what}")
    say(f"\nTo look at the result, and go on with it, in a browser:\n  {view_command(args.output)}")
    return DONE


def view_command(output: Path) -> str:
    """Return what to paste into a shell to open the demonstration's segments on their volume, with its model."""
    from ..demo.run import MODEL, SEGMENTS

    python = [] if _is_on_path() else [sys.executable, "-m"]
    program = [*python, "dfqsam_core"] if python else ["dfqsam"]
    volume, labels, model = resource_path(DEMO_VOLUME), output / SEGMENTS, output / MODEL
    command = shlex.join([*program, "view", str(volume), "--labels", str(labels), "--model", str(model)])
    if importlib.util.find_spec("trame_slicer") is None:
        command += f"\n  (after: {shlex.join([*python, 'pip', 'install', extra_of('browser')])})"
    return command


def _is_on_path() -> bool:
    """Whether `dfqsam`, typed into a shell, is this environment's: without activating it, it is another's or none."""
    found = shutil.which("dfqsam")
    return found is not None and Path(found).resolve().parent == Path(sys.executable).parent.resolve()


def _summary(result: dict[str, Any]) -> str:
    """The report in words; Markdown that reads well in a terminal too."""
    sizes, seconds = result["bytes"], result["seconds"]
    rows = [
        f"| {organ['organ']:<12} | {organ['slice']:<5} | {organ['float']:>16.3f} | {organ['packed_4_bit']:>16.3f} "
        f"| {organ['packed_with_float']:>16.3f} |"
        for organ in result["organs"]
    ]
    return "\n".join(
        [
            "# Demonstration",
            "",
            f"{result['what'][0].upper()}{result['what'][1:]}.",
            f"File: {sizes['float_checkpoint'] / 1e6:.1f} MB in float16 to {sizes['packed'] / 1e6:.1f} MB. "
            f"Quantizing took {seconds['quantize']:.0f} s.",
            "",
            "| Dice         | slice | float with label | 4-bit with label | 4-bit with float |",
            "|--------------|-------|-----------------:|-----------------:|-----------------:|",
            *rows,
            "",
            result["caution"],
            "",
        ]
    )
