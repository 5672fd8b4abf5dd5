"""The command `dfqsam`: finds the verb and runs it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .._version import __version__
from . import ablate, batch, bench, demo, info, quantize, report, segment, verify, view
from .console import guarded
from .streams import forgiving_console

# One for each verb, in the order of VERBS.
EXAMPLES = {
    "demo": "dfqsam demo",
    "quantize": "dfqsam quantize float.pth -o packed.safetensors",
    "segment": "dfqsam segment ct.nii.gz prompts.json -o labels.nii.gz",
    "batch": "dfqsam batch table.csv --workers 4",
    "verify": "dfqsam verify packed.safetensors --reference float.pth",
    "ablate": "dfqsam ablate float.pth -o models --data scans",
    "bench": "dfqsam bench packed.safetensors --reference float.pth",
    "report": "dfqsam report float.pth --data scans -o page.html",
    "info": "dfqsam info packed.safetensors",
    "view": "dfqsam view ct.nii.gz",
}

# Each verb module offers add_parser(verbs) and run(args); heavy imports happen inside run.
VERBS = (demo, quantize, segment, batch, verify, ablate, bench, report, info, view)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `args.run` is the chosen verb's function."""
    parser = argparse.ArgumentParser(
        prog="dfqsam",
        usage="dfqsam VERB ...    (dfqsam VERB --help shows all its options)",
        description="Segment CT and MR volumes from prompts with a packed 4-bit SAM-Med2D model,\n"
        "and make such models from float checkpoints without data.",
        epilog="Exit codes: 0 done, 2 wrong input, 3 failed check, 130 cancelled.\nFor research. Not a medical device.",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dfqsam {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, prog="dfqsam", title="verbs")
    for verb in VERBS:
        verb.add_parser(verbs)
    for entry in verbs._choices_actions:
        entry.help = f"{entry.help}\n  {EXAMPLES[entry.dest]}"
        verbs.choices[entry.dest].epilog = f"Example: {EXAMPLES[entry.dest]}"
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    with forgiving_console():
        args = build_parser().parse_args(argv)
        return guarded(args.run, args)
