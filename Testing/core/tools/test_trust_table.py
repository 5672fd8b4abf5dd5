"""The page of trust says first what its table says at the mark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tools import trust_table


def test_the_first_sentence_has_the_numbers_of_the_marked_line() -> None:
    # Dice, share, model, neighbours: two bad slices, of which one is marked, and one good slice that is marked, too.
    rows = np.array([(0.2, 0.1, 0.5, 0.5), (0.3, 0.9, 0.5, 0.5), (0.9, 0.5, 0.5, 0.5), (0.9, 0.9, 0.9, 0.9)])
    text = trust_table.page(rows, 1, [Path("scans")])
    first, line = text.split("\n\n")[1], next(line for line in text.splitlines() if line.startswith("| 0.65 "))
    assert " ".join(first.split()) == (
        "The marks under a view find 50 % of the bad propagated slices, and mark 50 % of all slices: "
        "50 % of the marked ones are bad."
    )
    assert line.split(" | ")[1:4] == ["50 %", "50 %", "50 %"]
