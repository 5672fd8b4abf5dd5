"""`dfqsam segment`: a label map from a volume and prompts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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
from .model_option import add_model_option, model_path


def add_parser(verbs: Subparsers) -> None:
    """Add the verb `segment`."""
    parser = verbs.add_parser(
        "segment",
        help="segment a CT or MR volume from prompts",
        description="Segment a volume from points, boxes and strokes. The result lies on exactly the volume's grid "
        "(.nii.gz, .nii, .nrrd, .mha or .seg.nrrd; .dcm writes DICOM SEG for a DICOM series).",
    )
    parser.add_argument("volume", type=Path, metavar="VOLUME", help="NIfTI, NRRD, MHA, or a DICOM file or folder")
    parser.add_argument(
        "prompts", type=Path, metavar="PROMPTS", help="prompts file (JSON), or markups of 3D Slicer (.mrk.json)"
    )
    add_model_option(parser)
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="LABELS", help="label map to write")
    parser.add_argument("--window", default="auto", help="auto (default), a preset (liver, lung, ...) or WIDTH,LEVEL")
    parser.add_argument("--frame", type=int, metavar="N", help="which volume of a 4D file, from 0")
    parser.add_argument("--series", metavar="UID", help="which series of a DICOM folder that holds several")
    parser.add_argument("--threads", type=int, metavar="N", help="slices encoded at once (default: one per core)")
    add_report_options(parser)
    declare_files(parser, reads=("volume", "prompts", "model"), writes=("output", "report"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, segment, write; nothing is written before everything has succeeded."""
    from ..runtime import load_model
    from ..volume.batch.segment_file import SegmentFiles, segment_file
    from ..volume.window import parse_window

    check_report(args)
    files = SegmentFiles(args.volume, args.prompts, args.output, args.frame, args.series)
    window, model = parse_window(args.window), model_path(args)
    with progress_callback(args) as progress:
        result = segment_file(
            files,
            lambda: load_model(model, threads=args.threads, side_by_side=True, conventions=args.conventions),
            window,
            force=args.force,
            progress=progress,
        )
    write_report(args, result.report)
    _print_result(result.report)
    print_notes(result.notes)
    say(f"Written: {args.output}")
    return DONE


def _print_result(report: dict[str, Any]) -> None:
    for row in report["slices"]:
        estimate = (
            "without an estimate" if row["predicted_iou"] is None else f"predicted IoU {row['predicted_iou']:.2f}"
        )
        where = f"{row['segment']} (label {row['label']}), slice {row['axis']} {row['slice']}"
        say(f"{where}: {row['area_mm2']:.1f} mm2, {estimate}")
    for segment in report["segments"]:
        carried = segment.get("propagation", {})
        for stop in carried.get("stops", ()):
            say(f"{segment['name']} stopped at slice {stop['last_index']}: {stop['reason']}")
        if carried.get("next_prompt") is not None:
            say(f"{segment['name']}: one more prompt would help most on slice {carried['next_prompt']}")
