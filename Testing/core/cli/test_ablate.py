"""`dfqsam ablate` on a toy network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="quantizing needs torch")

from dfqsam_core.cli.main import main
from dfqsam_core.store.model_file import write_model
from Testing.support.labelled_volume import write_labelled_volume
from Testing.support.packed import packed_toy
from Testing.support.quantized import toy_checkpoint_file


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    """A command line on one labelled volume."""
    write_labelled_volume(tmp_path / "data", {3: np.s_[8:20, 10:24], 4: np.s_[22:30, 4:12]})
    quick = ["--recipe", "fast", "--images", "1", "--iterations", "1", "--threads", "1", "--progress", "none"]
    data = ["--data", str(tmp_path / "data"), "--every", "1", "--prompts", "box,1pt", "--draws", "1"]
    return ["ablate", str(toy_checkpoint_file(tmp_path)), "-o", str(tmp_path / "models"), *quick, *data]


def test_a_table_of_variants_against_the_whole_recipe(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--only", "no bias correction", "--variant", "two images:synthesis.images=2", "--seeds", "2"]
    files = ["--table", str(tmp_path / "t.md"), "--report", str(tmp_path / "r.json")]
    assert main([*line, *own, *files]) == 0
    assert (tmp_path / "t.md").read_text() in capsys.readouterr().out
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    names = ["whole recipe", "no bias correction", "two images"]
    assert [(row["variant"], row["prompt"]) for row in rows] == [(n, p) for p in ("box", "1pt") for n in names]
    assert all(row["objects"] == 4 and len(row["seeds"]) == 2 for row in rows)
    assert all(row["worse"]["mean"] == 0 for row in rows if row["variant"] == "whole recipe")
    by_drop = {row["variant"]: row["drop"]["mean"] for row in rows if row["prompt"] == "box"}
    worse = next(row["worse"]["mean"] for row in rows if row["variant"] == "two images" and row["prompt"] == "box")
    assert worse == pytest.approx(by_drop["two images"] - by_drop["whole recipe"])
    assert len(list((tmp_path / "models").glob("fast-*.safetensors"))) == 6


def test_a_packed_model_is_refused_before_anything_is_measured(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfqsam_core.evaluate.Evaluator", None)
    write_model(tmp_path / "m.safetensors", packed_toy())
    assert main(["ablate", str(tmp_path / "m.safetensors"), *line[2:]]) == 2
    assert "m.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (["--only", "no such thing"], "There is no variant 'no such thing'"),
        (["--variant", "x:synthesis.pictures=1"], "There is no setting"),
        (["--variant", "nonsense"], "is not NAME:setting=value"),
        (["--seeds", "0"], "0 seeds measure nothing"),
        (["--prompts", "star"], "Unknown prompt kinds"),
        (["--data", "nowhere"], "nowhere is not a folder"),
        (["--table", "nowhere/t.md"], "The folder nowhere does not exist"),
    ],
)
def test_wrong_input_ends_before_the_long_work(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], problem: str
) -> None:
    assert main([*line, *extra]) == 2
    assert problem in capsys.readouterr().err
    assert not list(tmp_path.glob("models/*.safetensors"))
