"""What is synthesis worth? Writes the table of docs/measured/studies.md.

Run: python -m research.studies.synthesis_worth MODEL --data DIR [--data DIR] --seeds 3 --output FOLDER [--jobs N]

Every way to make images is tried with as many images, the same calibration and the same seeds; only how images are made
differs. FOLDER keeps images, models and rows.csv, which has each finished cell; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dfqsam_core.base.outputs import write_text
from dfqsam_core.errors import ConfigError, DFQSAMError
from dfqsam_core.evaluate import Sampling
from dfqsam_core.evaluate.label_prompts import parse_prompt_kinds
from dfqsam_core.quant import QuantConfig
from dfqsam_core.store.checkpoint import read_checkpoint

from .tables import tables
from .variants import VARIANTS, Cell, cells
from .work import Study, draw, measure

ROWS = "rows.csv"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not there yet and write the tables; return 0, or 2 when something cannot be read or written."""
    args = parse(arguments)
    try:
        run(args)
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="float checkpoint")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--data", type=Path, action="append", default=[], help="repeatable; default: embedded sample")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="for images and calibration")
    parser.add_argument("--recipe", default="default", help="whose calibration, number of images and steps are used")
    parser.add_argument("--images", type=int)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--paper-iterations", type=int, default=1500)
    parser.add_argument("--only", default=",".join(VARIANTS), metavar="LIST", help="some of the variants")
    parser.add_argument("--prompts", default="box,1pt,3pt")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--objects", type=int, default=10, help="at most so many of a slice")
    parser.add_argument("--draws", type=int, default=3)
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> None:
    """Draw all images, measure all cells, and write the tables."""
    names = [name.strip() for name in args.only.split(",")]
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or min(args.jobs, args.seeds) < 1:
        raise ConfigError(f"Give --jobs and --seeds from 1, and --only from: {', '.join(VARIANTS)}.")
    sampling = Sampling(every=args.every, masks_per_slice=args.objects)
    study = Study(
        args.model, args.output, tuple(args.data), parse_prompt_kinds(args.prompts), sampling, args.draws, args.device
    )
    base = QuantConfig.from_recipe(args.recipe, images=args.images, iterations=args.iterations)
    args.output.mkdir(parents=True, exist_ok=True)
    rows = kept_rows(study, base, args.paper_iterations)
    done = {(row["variant"], int(row["seed"])) for row in rows}
    left = [cell for cell in cells(base, args.seeds, names, args.paper_iterations) if cell.key not in done]
    # Spawned: a fork would share torch's threads.
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        work_off(pool, left, study, rows)
    write_text(args.output / "synthesis_worth.md", tables(rows, names), force=True)


def kept_rows(study: Study, base: QuantConfig, paper_iterations: int) -> list[dict[str, Any]]:
    """Rows of the cells that an earlier run finished. Raises ConfigError where the folder holds another study's."""
    sha256 = read_checkpoint(study.checkpoint).source.sha256
    known = [sha256, base.to_dict(), paper_iterations, sorted(map(str, study.data)), study.prompts]
    text = json.dumps([*known, asdict(study.sampling), study.draws])
    marker, file = study.folder / "study.json", study.folder / ROWS
    if marker.exists() and marker.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{study.folder} holds a study of another model, recipe or data. Choose another --output.")
    write_text(marker, text, force=True)
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) if file.exists() else []


def work_off(pool: Executor, left: Sequence[Cell], study: Study, rows: list[dict[str, Any]]) -> None:
    """Draw the images that `left` need and measure its cells side by side; rows.csv is whole after each of them."""
    wanted = {(c.config.synthesis, c.config.seed): None for c in left}
    images = [pool.submit(draw, study, *key, index) for key in wanted for index in range(key[0].images)]
    for done, image in enumerate(as_completed(images), 1):
        image.result()
        print(f"image {done} of {len(images)}", file=sys.stderr)
    measured = {pool.submit(measure, study, cell): cell for cell in left}
    for done, future in enumerate(as_completed(measured), 1):
        rows += future.result()
        write_rows(study.folder / ROWS, rows)
        print(f"cell {done} of {len(measured)}: {measured[future].variant}", file=sys.stderr)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """All rows as CSV, in the order of the cells rather than of their ends; written aside and renamed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["variant"], int(row["seed"]))))
    write_text(path, text.getvalue(), force=True)


if __name__ == "__main__":
    sys.exit(main())
