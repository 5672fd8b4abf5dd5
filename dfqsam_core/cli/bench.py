"""`dfqsam bench`: time, memory and size of a model, beside its reference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
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
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="timed runs of each part (default 20)")
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
    print(f"{result['machine']['cpu']}, {result['threads']} threads, {result['runs']} runs")
    print_table(("", "model", "reference", "ratio"), _rows(result))
    return DONE


def _rows(result: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Sizes and loading, then the median time of each task; a ratio above 1 is in the model's favour."""
    model, reference = result["model"], result.get("reference")
    for name, key, scale in (("file, MB", "bytes", 1e6), ("load, s", "load_seconds", 1.0)):
        ours = model[key] / scale
        theirs = reference[key] / scale if reference else None
        yield name, f"{ours:.1f}", _text(theirs, 1), _text(theirs / ours if theirs and ours else None, 2)
    peak = result["memory"]["peak_bytes"]
    yield "peak memory, MB", _text(peak / 1e6 if peak else None, 0), "", ""
    timings = result["timings"]
    for task in timings.get("reference", timings["model"]):
        times = [timings.get(whose, {}).get(task, {}).get("wall_ms") for whose in ("model", "reference")]
        ratio = result["ratios"].get(task, {}).get("wall")
        yield f"{task}, ms", _text(times[0], 1), _text(times[1], 1), _text(ratio, 2)


def _text(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
