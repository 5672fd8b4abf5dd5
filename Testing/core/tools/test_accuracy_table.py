"""The page of accuracy, made from a toy network and the sample scan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from dfqsam_core.store.model_file import write_model
from Testing.support.quantized import quantized_toy, toy_checkpoint_file
from tools import accuracy_table


def test_the_page_of_several_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    write_model(tmp_path / "m.safetensors", quantized_toy()[1])
    case = {"reference": str(checkpoint), "models": {"W4A4 default": str(tmp_path / "m.safetensors")}}
    (tmp_path / "cases.json").write_text(json.dumps({"(a) toy": case, "(b) twin": case}))
    page = tmp_path / "page.md"
    sample = Path(__file__).resolve().parents[3] / "Resources" / "SampleData"
    line = ["table", "--models", str(tmp_path), "--data", str(sample), "--every", "20", "--threads", "1"]
    monkeypatch.setattr("sys.argv", [*line, "--output", str(page)])
    accuracy_table.main()
    text = page.read_text()
    assert [text.count(part) for part in ("## (a) toy", "## (b) twin", "| W4A4 default |", "Made by:")] == [1, 1, 4, 1]
    assert "| float | " in text
    assert "ellipse in the box" in text
