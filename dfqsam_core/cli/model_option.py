"""Options of the verbs that run a model: which file, without it the embedded packed model, and its conventions."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..network.conventions import CONVENTIONS
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
    add_conventions_option(parser)


def add_conventions_option(parser: argparse.ArgumentParser) -> None:
    """Add --conventions, which float checkpoints need whose tensors do not tell them."""
    parser.add_argument(
        "--conventions",
        choices=tuple(CONVENTIONS),
        help="how a float checkpoint was trained: needed for files of SAM and MedSAM, which cannot be told apart",
    )


def model_path(args: argparse.Namespace) -> Path:
    """Return what --model names, or the embedded packed model; raises DFQSAMError where this copy lacks that."""
    return args.model or resource_path(DEMO_MODEL)
