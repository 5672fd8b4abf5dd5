"""`dfqsam bench`: time, memory and size of a model, beside its reference."""

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
        "bench",
        help="time, memory and size of a model",
        description="Measure encoder and decoder time, load time, peak memory and file size. With --reference both "
        "models are timed in turn, so that a busy machine slows both alike.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="packed model or float checkpoint")
    parser.add_argument("--reference", type=Path, metavar="CHECKPOINT", help="what MODEL is compared with")
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="timed runs of each part (default 10)")
    add_report_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from ..benchmark import run_benchmark

    check_report(args)
    with progress_callback(args) as progress:
        result = run_benchmark(args.model, args.reference, threads=args.threads, runs=args.runs, progress=progress)
    write_report(args, result)
    _print_table(result)
    return DONE


def _print_table(result: dict[str, Any]) -> None:
    import json

    print(json.dumps(result, indent=2))
