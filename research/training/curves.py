"""The learning curve as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

VALIDATION = {
    **{f"all {prompt}": prompt for prompt in ("ellipse", "box", "1pt", "3pt")},
    "large all 1pt": "1pt, 2,000 pixels and more",
}


def draw_curves(folders: Sequence[Path], target: Path) -> None:
    """Draw log.csv and validation.csv of trainings that went on from one another into one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    shown = (
        (axes[0], "log.csv", {"box": "box", "point": "1 point", "last": "last pass"}, "IoU of training targets"),
        (axes[1], "validation.csv", VALIDATION, "Dice of validation"),
    )
    for axis, name, columns, title in shown:
        tables = [table for folder in folders if (table := _columns(folder / name))]
        for number, (column, label) in enumerate(columns.items()):
            # A training by an earlier trainer lacks columns of a later one.
            for order, table in enumerate(table for table in tables if column in table):
                shown_label = label if order == 0 else None
                axis.plot(table["images"], table[column], marker=".", color=f"C{number}", label=shown_label)
        axis.set(xlabel="training images", title=title)
        axis.grid(alpha=0.3)
        if tables:
            axis.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=90)
    plt.close(figure)


def _columns(path: Path) -> dict[str, list[float]]:
    if not path.exists():
        return {}
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}
