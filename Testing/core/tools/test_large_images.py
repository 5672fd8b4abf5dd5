"""The page of networks for 1024-pixel images, from a small network's own reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from safetensors.numpy import save_file

from dfqsam_core.cli.main import main
from dfqsam_core.network.architecture import Architecture
from Testing.support.toy import random_tensors
from tools import large_images_page, performance_measure

# As many tokens as a SAM has, and a block of each kind between the first and the last.
SMALL = Architecture(32, 4, 2, 48, window_size=14, global_attn_indexes=(1,), image_size=256, patch_size=4)


def test_the_page_is_made_by_its_commands(tmp_path: Path) -> None:
    checkpoint, packed = tmp_path / "float.safetensors", tmp_path / "packed.safetensors"
    save_file(random_tensors(SMALL, 0), checkpoint)
    line = [str(checkpoint), "--conventions", "sam", "--recipe", "fast", "--images", "1", "--iterations", "1"]
    estimate, quantized, large = (tmp_path / f"{name}.json" for name in ("estimate", "quantize", "large"))
    assert main(["quantize", *line, "-o", str(packed), "--dry-run", "--report", str(estimate)]) == 0
    assert main(["quantize", *line, "-o", str(packed), "--report", str(quantized)]) == 0
    measured = ["large", str(packed), "--reference", str(checkpoint), "--runs", "1", "-o", str(large)]
    assert performance_measure.main(measured) == 0
    ratios = json.loads(large.read_text())["ratios"]
    assert set(ratios) == {
        "torch float32 eager",
        "onnxruntime float32 as exported",
        "onnxruntime float32 in parts as ours",
    }
    page = tmp_path / "page.md"
    reports = ["--large", str(large), "--quantize", str(quantized), "--estimate", str(estimate)]
    assert large_images_page.main([*reports, "-o", str(page)]) == 0
    text = page.read_text()
    assert text.splitlines()[2].startswith("With a packed 4-bit ")
    assert "| packed 4-bit, integers |" in text
    assert "each of 1 global blocks" in text
    assert "`fast`, 1 images of 1 steps" in text
    assert "{" not in text
