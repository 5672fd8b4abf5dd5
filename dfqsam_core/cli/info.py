"""`dfqsam info`: what a file is, and its model card."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .console import DONE, Subparsers, say
from .files import declare_files
from .model_option import add_conventions_option


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "info",
        help="what a file is, and its model card",
        description="Show the card of a packed model or the architecture of a float checkpoint; "
        "of any other file, what it is and why it is refused.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    add_conventions_option(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    declare_files(parser, reads=("file",), writes=())
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Describe the file; a file that is no model raises with the reason."""
    from ..store.description import describe_file, outline

    description = describe_file(args.file, args.conventions, is_to_run=False)
    say(json.dumps(description, indent=2, ensure_ascii=False) if args.json else "\n".join(outline(description)))
    return DONE
