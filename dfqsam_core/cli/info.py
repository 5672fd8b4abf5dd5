"""`dfqsam info`: what a file is, and its model card."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .console import DONE, Subparsers


def add_parser(verbs: Subparsers) -> None:
    """Add the verb and its options."""
    parser = verbs.add_parser(
        "info",
        help="what a file is, and its model card",
        description="Show the card of a packed model or the architecture of a float checkpoint; "
        "of any other file, what it is and why it is refused.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Describe the file; a file that is no model raises with the reason."""
    from ..store.model_file import describe_file

    description = describe_file(args.file)
    if args.json:
        print(json.dumps(description, indent=2, ensure_ascii=False))
    else:
        _print_outline(description)
    return DONE


def _print_outline(description: dict[str, Any]) -> None:
    """One line an entry; long lists (layers, measurements) are only counted, --json has them."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(description):
        table.add_row(name, value)
    Console().print(table, markup=False)


def _rows(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _rows(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            rows.append((prefix + name, f"{len(value)} entries"))
        else:
            rows.append((prefix + name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return rows
