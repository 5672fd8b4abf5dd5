"""The command `dfqsam`: finds the verb and runs it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .._version import __version__
from . import ablate, batch, bench, demo, info, quantize, report, segment, verify, view
from .console import guarded
from .streams import forgiving_console

# Each verb module offers add_parser(verbs) and run(args); heavy imports happen inside run.
VERBS = (demo, quantize, segment, batch, verify, ablate, bench, report, info, view)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `args.run` is the chosen verb's function."""
    parser = argparse.ArgumentParser(
        prog="dfqsam",
        description="Packed 4-bit SAM-Med2D without data: quantize a float checkpoint, segment CT and MR from prompts.",
        epilog="Results on standard output, progress on standard error. "
        "Exit codes: 0 done, 2 wrong input, 3 failed check, 130 cancelled. Research use only.",
    )
    parser.add_argument("--version", action="version", version=f"dfqsam {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    with forgiving_console():
        args = build_parser().parse_args(argv)
        return guarded(args.run, args)
