"""The option -m of the verbs that segment: without it they take the embedded packed model."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..resources import DEMO_MODEL, resource_path


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add --model."""
    parser.add_argument(
        "-m",
        "--model",
        type=Path,
        metavar="MODEL",
        help="packed model or float checkpoint (default: the embedded demonstration model, packed 4-bit)",
    )


def model_path(args: argparse.Namespace) -> Path:
    """What --model names, or the embedded packed model; raises DFQSAMError where this copy lacks that."""
    return args.model or resource_path(DEMO_MODEL)
