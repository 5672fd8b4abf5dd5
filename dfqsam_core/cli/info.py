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
        description="Show what matters of a packed model or a float checkpoint in five lines, with --all the whole "
        "card; of any other file, what it is and why it is refused.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="model, checkpoint, or any other file")
    add_conventions_option(parser)
    parser.add_argument("--all", action="store_true", help="print the whole card; of long tables the number of entries")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    declare_files(parser, reads=("file",), writes=())
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Describe the file; a file that is no model raises with the reason."""
    from ..store.description import describe_file, headline, outline

    description = describe_file(args.file, args.conventions, is_to_run=False)
    if args.json:
        say(json.dumps(description, indent=2, ensure_ascii=False))
    else:
        say("\n".join(outline(description) if args.all else headline(description)))
    return DONE
