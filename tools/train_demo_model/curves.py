"""The learning curve as a picture."""

from __future__ import annotations

import csv
from pathlib import Path


def draw_curves(folder: Path) -> None:
    """Draw log.csv and validation.csv of a training folder into curve.png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    training = _columns(folder / "log.csv")
    for name in ("box", "point", "last"):
        left.plot(training["images"], training[name], label=f"IoU, {name}", linewidth=0.8)
    left.set(xlabel="training images", ylabel="IoU on training targets", title="Training")
    left.legend()
    if (folder / "validation.csv").exists():
        scores = _columns(folder / "validation.csv")
        for name in ("all ellipse", "all box", "all 1pt", "all 3pt"):
            right.plot(scores["images"], scores[name], marker=".", label=name.removeprefix("all "))
        right.legend()
    right.set(xlabel="training images", ylabel="Dice", title="Validation subjects")
    figure.tight_layout()
    figure.savefig(folder / "curve.png", dpi=110)
    plt.close(figure)


def _columns(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}
