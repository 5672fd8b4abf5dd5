"""The page of strokes, made from a toy network and the sample scan, and the strokes that it simulates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from Testing.support.quantized import toy_checkpoint_file
from tools import stroke_table
from tools.simulated_strokes import lasso_around, scribble_through

# A bent organ, 300 pixels.
LABEL = np.zeros((60, 50), bool)
LABEL[20:26, 10:40] = LABEL[26:46, 34:40] = True


def test_a_scribble_stays_in_what_it_is_drawn_through_and_follows_it():
    for seed in range(20):
        path = np.array(scribble_through(LABEL, np.random.default_rng(seed)))
        assert LABEL[path[:, 1], path[:, 0]].all()
        assert np.ptp(path, axis=0).min() > 12
    assert scribble_through(LABEL, np.random.default_rng(3)) == scribble_through(LABEL, np.random.default_rng(3))


def test_a_lasso_goes_round_a_little_outside():
    for seed in range(20):
        lasso = stroke_table.LassoPrompt(
            tuple((i, j, 0) for i, j in lasso_around(LABEL, np.random.default_rng(seed), 0.1))
        )
        held = stroke_table.held(lasso, LABEL.shape)
        assert held[LABEL].mean() > 0.9
        assert 1.1 < held.sum() / LABEL.sum() < 2


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Path(__file__).resolve().parents[3] / "Resources" / "SampleData"
    toy = toy_checkpoint_file(tmp_path)
    line = ["table", "--model", f"float={toy}", "--model", f"again={toy}", "--data", str(sample), "--every", "30"]
    monkeypatch.setattr("sys.argv", [*line, "--threads", "1", "--output", str(tmp_path / "page.md")])
    stroke_table.main()
    text = (tmp_path / "page.md").read_text()
    for row in stroke_table.ROWS:
        (cells,) = [found.split("|")[1:-1] for found in text.splitlines() if found.startswith(f"| {row} |")]
        assert int(cells[1]) > 5
        assert 0 <= float(cells[2]) <= 1
        assert cells[2] == cells[3]
    assert "Made by: `python table --model" in text
