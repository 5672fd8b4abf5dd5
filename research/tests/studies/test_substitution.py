"""Putting parts of a packed model back into float brings its embedding nearer to the float model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from dfqsam_core.quant import quantize  # noqa: E402
from research.studies import substitution  # noqa: E402
from Testing.support.quantized import toy_checkpoint_file, toy_config  # noqa: E402


def test_every_part_has_a_line_and_float_parts_err_less(tmp_path: Path) -> None:
    images, masks = tmp_path / "data" / "images", tmp_path / "data" / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    y, x = np.mgrid[:96, :96] - 47.5
    disc = x**2 + y**2 < 30**2
    sitk.WriteImage(sitk.GetImageFromArray(np.where(disc, 180, 20).astype(np.uint8)), str(images / "s.png"))
    sitk.WriteImage(sitk.GetImageFromArray(disc.astype(np.uint8)), str(masks / "s_1.png"))
    checkpoint, model, table = toy_checkpoint_file(tmp_path), tmp_path / "toy4.safetensors", tmp_path / "t.md"
    quantize(checkpoint, model, toy_config(images=1))
    line = [str(model), "--reference", str(checkpoint), "--data", str(tmp_path / "data"), "--output", str(table)]
    assert substitution.main([*line, "--draws", "1"]) == 0
    rows = [[cell.strip() for cell in text.strip("|").split("|")] for text in table.read_text().splitlines()[2:]]
    assert [row[0] for row in rows] == ["nothing", "encoder", *substitution.CHANGES]
    signal = {row[0]: float(row[1]) for row in rows}
    assert signal["encoder"] == np.inf
    assert signal["attention (qkv, products, proj)"] > signal["nothing"]
    assert signal["MLP"] > signal["nothing"]
    assert signal["codes of q, k, v and softmax"] != signal["nothing"]


def test_a_float_model_has_nothing_to_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    line = [
        str(checkpoint),
        "--reference",
        str(checkpoint),
        "--data",
        str(tmp_path),
        "--output",
        str(tmp_path / "t.md"),
    ]
    assert substitution.main(line) == 2
    assert "packed" in capsys.readouterr().err
    assert not (tmp_path / "t.md").exists()
