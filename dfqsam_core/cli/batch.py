"""`dfqsam batch`: label maps of many volumes, by a table."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .console import (
    DONE,
    WRONG_INPUT,
    Subparsers,
    add_report_options,
    check_report,
    print_notes,
    progress_callback,
    say,
    write_report,
)
from .files import check_outputs, declare_files
from .model_option import add_model_option, model_path

if TYPE_CHECKING:
    from ..volume.batch.row import RowResult


def add_parser(verbs: Subparsers) -> None:
    """Add the verb `batch`."""
    parser = verbs.add_parser(
        "batch",
        help="segment many volumes by a table, here or on a dask cluster",
        description="Segment every row of a CSV table with the columns volume, prompts, output (and, where wanted, "
        "frame, series). Finished rows are skipped when the batch is started again. Exit code 2 when any row was "
        "refused; the others are kept.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE.csv", help="paths are relative to the table's folder")
    add_model_option(parser)
    parser.add_argument("--window", default="auto", help="auto (default), a preset (liver, lung, ...) or WIDTH,LEVEL")
    parser.add_argument("--workers", type=int, metavar="N", help="processes on this machine (default: by the cores)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="dask scheduler, such as tcp://head:8786")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="slices that a worker encodes at once (default: by the cores)"
    )
    add_report_options(parser)
    declare_files(parser, reads=("table", "model"), writes=("report",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the table; refused rows are told with their reasons."""
    from ..volume.batch.record import record_path
    from ..volume.batch.run import run_batch
    from ..volume.batch.table import read_table
    from ..volume.window import parse_window

    check_report(args)
    rows = read_table(args.table)
    model = model_path(args)
    inputs = [model, args.table, *(path for row in rows for path in (row.volume, row.prompts))]
    outputs = [row.output for row in rows]
    check_outputs(inputs, outputs, [*map(record_path, outputs), *([args.report] if args.report else [])])
    with progress_callback(args) as progress:
        results = run_batch(
            rows,
            model,
            window=parse_window(args.window),
            workers=args.workers,
            scheduler=args.scheduler,
            threads=args.threads,
            force=args.force,
            progress=progress,
            conventions=args.conventions,
        )
    counts = Counter(result.status for result in results)
    write_report(args, {"counts": dict(counts), "rows": [asdict(result) for result in results]})
    for result in results:
        if result.status == "failed":
            say(f"line {result.line}, {result.output}: {result.reason}")
    print_notes(_notes(results))
    say(f"{counts['done']} done, {counts['skipped']} finished before, {counts['failed']} failed.")
    return WRONG_INPUT if counts["failed"] else DONE


def _notes(results: Iterable[RowResult]) -> Iterator[str]:
    """Each note once, with the lines of the table that it is about."""
    lines: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            lines.setdefault(note, []).append(str(result.line))
    for note, where in lines.items():
        yield (
            f"line {where[0]}: {note}" if len(where) == 1 else f"{len(where)} lines, {where[0]} to {where[-1]}: {note}"
        )
