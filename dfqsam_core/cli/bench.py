"""`dfqsam bench`: time, memory and size of a model, beside its reference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .console import DONE, Subparsers, add_report_options, check_report, progress_callback, say, write_report
from .files import declare_files
from .model_option import add_conventions_option
from .tables import print_table

WHOSE = ("model", "reference")
_MAX_REPORT_BYTES = 2**20


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "bench",
        help="time, memory and size of a model",
        description="Measure encoder and decoder time, load time, peak memory and file size. With --reference both "
        "models are timed in turn, so that a busy machine slows both alike.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="packed model or float checkpoint")
    parser.add_argument("--reference", type=Path, metavar="CHECKPOINT", help="another model, to compare MODEL with")
    add_conventions_option(parser)
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[None], metavar="N", help="threads; several are measured one by one"
    )
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="timed runs of each part (default 20)")
    parser.add_argument(
        "--choose-engine",
        action="store_true",
        help="time the encoder on onnxruntime and on OpenVINO; this machine then runs MODEL on the faster one",
    )
    parser.add_argument(
        "--compare", type=Path, metavar="OLD.json", help="an earlier --report of this machine, to print ratios to"
    )
    add_report_options(parser)
    declare_files(parser, reads=("model", "reference", "compare"), writes=("report",))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from ..bench.benchmark import run_benchmark

    check_report(args)
    if args.choose_engine:
        return _choose_engine(args)
    earlier = _earlier(args)
    with progress_callback(args) as progress:
        results = [
            run_benchmark(
                args.model,
                args.reference,
                threads,
                args.runs,
                progress,
                starts=threads == args.threads[0],
                conventions=args.conventions,
            )
            for threads in args.threads
        ]
    write_report(args, results[0] | {"more_threads": results[1:]})
    for result in results:
        say(f"{result['machine']['cpu']}, {result['threads']} threads, {result['runs']} runs")
        print_table(("", "model", "CPU", "reference", "CPU", "ratio", "CPU"), _rows(result))
        if result["threads"] in earlier:
            print_table(("", "before", "now", "ratio"), _changed(earlier[result["threads"]], result))
    return DONE


def _earlier(args: argparse.Namespace) -> dict[int, dict[str, Any]]:
    """Reports by threads; refused before anything is measured."""
    from ..bench.compare import earlier_reports
    from ..volume.files.strict_json import read_json

    return earlier_reports(read_json(args.compare, _MAX_REPORT_BYTES)) if args.compare else {}


def _changed(before: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    from ..bench.compare import changes

    for change in changes(before, now):
        yield change.name, f"{change.before:.6g}", f"{change.now:.6g}", _text(change.ratio, 2)


def _choose_engine(args: argparse.Namespace) -> int:
    from ..bench.engines import choose_engine

    if args.reference:
        raise ConfigError("An engine is chosen for MODEL alone. Leave --reference out.")
    if args.compare:
        raise ConfigError("Engines are compared with each other. Leave --compare out.")
    with progress_callback(args) as progress:
        choices = [
            choose_engine(args.model, threads, args.runs, progress, args.conventions) for threads in args.threads
        ]
    write_report(args, {"choices": choices})
    for choice in choices:
        rows = [
            (engine, _text(taken["wall_ms"], 1), _text(taken["cpu_ms"], 1), _text(choice["load_seconds"][engine], 1))
            for engine, taken in choice["timings"].items()
        ]
        print_table((f"{choice['threads']} threads", "encoder, ms", "CPU", "load, s"), rows)
        say(f"OpenVINO is {choice['gain']:.2f} times as fast; from now on images are embedded by {choice['engine']}.")
    return DONE


def _rows(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Sizes and starts, then median times of each task; a ratio above 1 is in the model's favour."""
    model, reference = result["model"], result.get("reference")
    for name, key, scale in (("file, MB", "bytes", 1e6), ("load, s", "load_seconds", 1.0)):
        ours = model[key] / scale
        theirs = reference[key] / scale if reference else None
        yield name, _text(ours, 1), "", _text(theirs, 1), "", _text(theirs / ours if theirs and ours else None, 2), ""
    for name, start in result.get("starts", {}).items():
        yield f"ready to click, {name} start, s", _text(start["ready_seconds"], 2), "", "", "", "", ""
        peak = start["peak_bytes"]
        yield f"peak memory, {name} start, MB", _text(peak / 1e6 if peak else None, 0), "", "", "", "", ""
    counts = result["counts"]
    yield "operators of the encoder", str(counts["operators"]), "", "", "", "", ""
    yield "moved by them a slice, MB", _text(counts["moved_bytes"] / 1e6, 1), "", "", "", "", ""
    rates = result["integer_products"]
    yield "integer product, GOP/s", _text(rates["product_giga_operations_per_second"], 0), "", "", "", "", ""
    yield "encoder's share of it", f"{rates['encoder_share']:.0%}", "", "", "", "", ""
    timings = result["timings"]
    tasks = {task: None for whose in ("model", "reference") for task in timings.get(whose, {})}
    for task in tasks:
        cells = [timings.get(whose, {}).get(task, {}).get(clock) for whose in WHOSE for clock in ("wall_ms", "cpu_ms")]
        ratios = [result["ratios"].get(task, {}).get(clock) for clock in ("wall", "cpu")]
        yield f"{task}, ms", *(_text(cell, 1) for cell in cells), *(_text(ratio, 2) for ratio in ratios)


def _text(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
