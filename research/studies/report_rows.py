"""Prints reports of `dfqsam verify` as one Markdown table, a line each.

Run: python -m research.studies.report_rows "NAME=report.json" [...] > table.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dfqsam_core.evaluate.metrics import points


def table(arguments: Sequence[str]) -> Iterator[str]:
    """The lines of the table; arguments: NAME=FILE."""
    reports = {name: json.loads(Path(file).read_text()) for name, _, file in (a.partition("=") for a in arguments)}
    prompts = next(iter(reports.values()))["protocol"]["prompts"]
    yield f"| model | objects | {' | '.join(f'{p} Dice | {p} reference | {p} drop | {p} same' for p in prompts)} |"
    yield "|---" * (2 + 4 * len(prompts)) + "|"
    for name, report in reports.items():
        rows = [overall(report["rows"], prompt) for prompt in prompts]
        yield f"| {name} | {rows[0]['objects']} | {' | '.join(cell for row in rows for cell in cells(row))} |"


def overall(rows: Sequence[dict[str, Any]], prompt: str) -> dict[str, Any]:
    """The row of a prompt over all modalities, which is its last."""
    return [row for row in rows if row["prompt"] == prompt][-1]


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Dice of the model and of the reference, drop, and Dice of the two answers."""
    model, reference, same = (f"{row[name]['mean']:.3f}" for name in ("model", "reference", "agreement"))
    return model, reference, points(row["drop"]), same


if __name__ == "__main__":
    print("\n".join(table(sys.argv[1:])))
