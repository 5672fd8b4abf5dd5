"""What is read is never replaced by what is made of it, not even with --force and under another name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dfqsam_core.cli.main import main
from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, DEMO_PROMPTS, DEMO_VOLUME, resource_path


def test_quantizing_does_not_replace_its_own_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The only copy of a float checkpoint was lost."""
    pytest.importorskip("torch")
    checkpoint, link = tmp_path / "float.safetensors", tmp_path / "FLOAT.safetensors"
    shutil.copy(resource_path(DEMO_CHECKPOINT), checkpoint)
    os.link(checkpoint, link)
    words = ["quantize", str(checkpoint), "--recipe", "fast", "--images", "1", "--iterations", "1", "--force"]
    for output in (checkpoint, link):
        assert main([*words, "--output", str(output)]) == 2
        assert "is the input" in capsys.readouterr().err
    assert checkpoint.read_bytes() == resource_path(DEMO_CHECKPOINT).read_bytes()


def test_segmenting_does_not_replace_its_own_volume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volume = tmp_path / "ct.nii.gz"
    shutil.copy(resource_path(DEMO_VOLUME), volume)
    words = ["segment", str(volume), str(resource_path(DEMO_PROMPTS)), "-m", str(resource_path(DEMO_MODEL)), "--force"]
    assert main([*words, "-o", str(tmp_path / "." / "ct.nii.gz")]) == 2
    assert "which would be lost. Choose another output." in capsys.readouterr().err
    assert volume.read_bytes() == resource_path(DEMO_VOLUME).read_bytes()
