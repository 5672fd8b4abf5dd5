"""What a training says on its way: a line and a row every few steps, and rows of validation."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .evaluate import Answer

COLUMNS = ("step", "images", "seconds", "rate", "loss", "box", "point", "last", "norm")
LARGE_PX = 2000


class Log:
    """Rows appended to a CSV file, with its header once."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        if not path.exists():
            self.add(columns)

    def add(self, row: Sequence[object]) -> None:
        """Append one row."""
        with self.path.open("a", newline="") as stream:
            csv.writer(stream).writerow(row)


def means(waiting: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Means of what several steps logged, fetched from the device at once."""
    return {name: torch.stack([entry[name].float() for entry in waiting]).mean().item() for name in waiting[0]}


def large(answers: Sequence[Answer]) -> list[Answer]:
    """Answers on targets of 2,000 pixels and more, where a click may mean a part of an organ."""
    return [answer for answer in answers if answer.target.sum() >= LARGE_PX]
