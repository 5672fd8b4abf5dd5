"""Writes a page docs/measured/accuracy_*.md: the models of tools/accuracy_models.py beside their float references.

Run: python tools/accuracy_table.py --models FOLDER --data DIR [--data DIR] --output docs/measured/accuracy_NAME.md
         [--title "Accuracy of the twins"] [--case NAME ...] [--row "W4A4 default" ...] [--every N] [--jobs N]
Then: python tools/accuracy_overview.py, for the first sentences of the page and the overview docs/measured/accuracy.md

FOLDER holds cases.json. All models of a case see the same objects and the same prompts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shlex
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.evaluate import EvaluationProtocol, Evaluator, Sampling
from dfqsam_core.evaluate.metrics import points

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.accuracy_overview import BEGIN, END, says, with_part

PROMPTS = ("box", "1pt", "3pt", "5pt")
READING = "How to read the tables: [Accuracy](accuracy.md)."


def main() -> None:
    """Compare every model of every case and write the page."""
    args = parse_arguments()
    cases = json.loads((args.models / "cases.json").read_text(encoding="utf-8"))
    results = {name: measure(name, cases[name], args) for name in args.case or cases}
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text(document(args.title, results, shlex.join(sys.argv)), encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder that tools/accuracy_models.py filled")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--case", action="append", help="repeatable (default: all)")
    parser.add_argument("--row", action="append", help="repeatable (default: all)")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--threads", type=int, help="of one process")
    parser.add_argument("--jobs", type=int, default=1, help="rows measured side by side")
    parser.add_argument("--title", default="Accuracy, as measured")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def measure(name: str, case: dict[str, Any], args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The reports of one case by name of the row; the float reference against itself is the first."""
    rows = {"float": case["reference"]} | {row: case["models"][row] for row in args.row or case["models"]}
    # Spawned: a fork would share the engine's threads.
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        found = {row: pool.submit(report, case["reference"], path, args) for row, path in rows.items()}
        for row, future in found.items():
            future.result()
            print(f"{name}: {row}", file=sys.stderr)
        return {row: future.result() for row, future in found.items()}


def report(reference: str, model: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return what `dfqsam verify` says of one model."""
    protocol = EvaluationProtocol(Sampling(every=args.every))
    evaluator = Evaluator(reference, args.data, PROMPTS, protocol=protocol, threads=args.threads)
    return evaluator.compare(model).report()


def document(title: str, results: dict[str, dict[str, dict[str, Any]]], command: str) -> str:
    """Return the whole page; how to read it stands on the overview."""
    sections = [section(name, reports) for name, reports in results.items()]
    first = next(iter(next(iter(results.values())).values()))
    protocol = first["protocol"]
    facts = (
        f"Protocol: one in {protocol['every']} labelled slices across the acquisition axis ({protocol['slices']}); "
        f"per label its largest component of at least {protocol['min_pixels']} pixels on the 256 x 256 square; at most "
        f"{protocol['masks_per_slice']} objects a slice, drawn with seed {protocol['seed']}; sizes parted at "
        f"{' and '.join(map(str, protocol['size_bounds_in_pixels_of_256']))} pixels of that square; surface: share of "
        f"both outlines within {protocol['surface_tolerance']} mm. Images: {', '.join(first['data'])}.\n"
    )
    return with_part(
        "\n".join([f"# {title}\n\n{BEGIN}\n{END}\n\n{READING}\n", *sections, facts, f"Made by: `{command}`\n"]),
        says("\n".join(sections)),
    )


def section(name: str, reports: dict[str, dict[str, Any]]) -> str:
    """Both tables of one case."""
    objects = overall(reports["float"], "box")["objects"]
    return f"## {name}: {objects} objects\n\n{prompt_table(reports)}\n{group_table(reports)}"


def prompt_table(reports: dict[str, dict[str, Any]]) -> str:
    """All objects, by kind of prompt."""
    head = " | ".join(f"{prompt} Dice | {prompt} drop" for prompt in PROMPTS)
    lines = [f"| model | MB | same | {head} |", "|---" * (3 + 2 * len(PROMPTS)) + "|"]
    for name, report in reports.items():
        rows = [overall(report, prompt) for prompt in PROMPTS]
        cells = [f"{row['model']['mean']:.3f} | {drop(row['drop'], name)}" for row in rows]
        same = f"{rows[0]['agreement']['mean']:.3f}"
        lines.append(f"| {name} | {report['model']['bytes'] / 1e6:.1f} | {same} | {' | '.join(cells)} |")
    ellipse = overall(reports["float"], "box")["ellipse"]["mean"]
    lines.append(f"| ellipse in the box | | | {ellipse:.3f} |" + " |" * (2 * len(PROMPTS) - 1))
    return "\n".join(lines) + "\n"


def group_table(reports: dict[str, dict[str, Any]]) -> str:
    """Box prompt: drop by modality and by size, and of the surface measure."""
    rows = {name: groups(report) for name, report in reports.items() if name != "float"}
    head = [f"{group} ({row['objects']})" for group, row in groups(reports["float"]).items()]
    lines = [f"| box drop | {' | '.join(head)} | surface, all |", "|---" * (2 + len(head)) + "|"]
    for name, found in rows.items():
        cells = [drop(row["drop"], name) for row in found.values()]
        surface = overall(reports[name], "box")["surface_dice"]
        lines.append(f"| {name} | {' | '.join(cells)} | {drop(surface['drop'], name)} |")
    return "\n".join(lines) + "\n"


def groups(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows of the box by modality and by size."""
    rows = [(row["modality"], row) for row in report["rows"] if row["modality"] != "all"]
    rows += [(row["size"], row) for row in report["size_rows"]]
    return {name: row for name, row in rows if row["prompt"] == "box"}


def overall(report: dict[str, Any], prompt: str) -> dict[str, Any]:
    """The row of one prompt over all modalities."""
    rows = [row for row in report["rows"] if row["prompt"] == prompt]
    return next((row for row in rows if row["modality"] == "all"), rows[0])


def drop(interval: dict[str, float], name: str) -> str:
    """ "drop [low, high]" in points; the reference has none."""
    return "" if name == "float" else points(interval)


if __name__ == "__main__":
    main()
