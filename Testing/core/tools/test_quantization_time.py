from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from Testing.support.quantized import toy_checkpoint_file
from Testing.support.toy import toy_architecture
from tools import quantization_time


def test_a_run_knows_its_parts_and_the_page_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization_time, "_PAGE", tmp_path / "page.md")
    checkpoint, output = toy_checkpoint_file(tmp_path), tmp_path / "toy.json"
    arguments = ["run", str(checkpoint), "--name", "a toy", "--recipe", "fast", "--threads", "1", "-o", str(output)]
    assert quantization_time.main(arguments) == 0
    found = json.loads(output.read_text())
    assert set(found["seconds"]) == {"read", "synthesis", "calibration", "write"}
    assert found["layers"] > 0
    assert len(found["block_seconds"]) == toy_architecture().depth
    assert all(0 < block < found["seconds"]["calibration"] for block in found["block_seconds"])
    assert 0.5 < sum(found["functions"].values()) <= 1.0001
    assert any(name.startswith("tuning.") for name in found["functions"])
    assert quantization_time.main(["page", str(output)]) == 0
    page = (tmp_path / "page.md").read_text()
    assert "| images x iterations; tuning steps | 4 x 0; 4 |" in page
    assert "**a toy, fast:**" in page
