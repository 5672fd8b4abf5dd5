"""The picture of a synthesis has its three stages side by side, and outlines where labels are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from dfqsam_core.quant.synthesis.synthesis import SyntheticImage  # noqa: E402
from research.studies.evolution_pictures import GAP, main, outlined  # noqa: E402
from Testing.support.quantized import toy_checkpoint_file  # noqa: E402


def test_a_picture_has_three_rows_of_three_stages(tmp_path: Path) -> None:
    output = tmp_path / "p.png"
    line = [str(toy_checkpoint_file(tmp_path)), "--output", str(output), "--iterations", "2"]
    assert main(line) == 0
    side = 64 + GAP
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(output))).shape == (3 * side, 3 * side, 3)
    assert main([*line[:2], str(tmp_path / "no" / "p.png")]) == 2


def test_a_label_is_outlined_and_its_inside_stays_gray() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.bool)
    labels[0, 8:24, 8:24] = True
    gray = torch.full((1, 1, 32, 32), 0.5)
    picture = outlined(SyntheticImage(gray, gray, gray, labels))
    coloured = np.ptp(picture[:32, :32].astype(int), axis=2) > 0
    assert coloured[8, 8:24].all()
    assert not coloured[12:20, 12:20].any()
    assert not coloured[:8].any()
