"""A network made for 1024 pixels runs at 256 by SAM-Med2D's rules, and whoever asked is told what it means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core import load_model
from dfqsam_core.cli.main import main
from dfqsam_core.store.model_file import StoredModel, write_model
from Testing.support.packed import packed_toy
from Testing.support.toy import random_tensors, toy_architecture

WORDS = ("resized linearly from 1024-pixel to 256-pixel images", "made for 1024-pixel images", "masks are coarser")

CHOSEN = ("--conventions", "sam-med2d")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A 1024-pixel network as stock SAM and MedSAM, random."""
    architecture = replace(toy_architecture(adapter_dim=0), image_size=1024)
    save_file(random_tensors(architecture, 0), tmp_path / "c.safetensors")
    return tmp_path / "c.safetensors"


def told(text: str) -> bool:
    """Whether a text says all of it."""
    return all(words in text for words in WORDS)


def test_segment_says_so_on_the_screen_and_in_its_report(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (12, 10, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 3, 1])), tmp_path / "v.nii")
    box = {"type": "box", "corners": [[2, 2, 1], [9, 8, 1]]}
    content = {"coordinate_system": "IJK", "segments": [{"name": "a", "label": 1, "prompts": [box]}]}
    (tmp_path / "p.json").write_text(json.dumps(content))
    names = [str(tmp_path / name) for name in ("v.nii", "p.json", "l.nrrd", "r.json")]
    arguments = ["segment", *names[:2], "-m", str(checkpoint), "-o", names[2], "--report", names[3], *CHOSEN]
    assert main([*arguments, "--progress", "none"]) == 0
    assert told(capsys.readouterr().out)
    assert told(" ".join(json.loads(Path(names[3]).read_text())["model_notes"]))


def test_info_and_the_estimate_of_quantize_say_so(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["info", str(checkpoint), *CHOSEN]) == 0
    assert told(capsys.readouterr().out)
    report = tmp_path / "r.json"
    output = str(tmp_path / "m.safetensors")
    assert main(["quantize", str(checkpoint), "-o", output, "--dry-run", "--report", str(report), *CHOSEN]) == 0
    assert told(capsys.readouterr().out)
    assert told(" ".join(json.loads(report.read_text())["notes"]))


def test_a_packed_model_remembers_it(tmp_path: Path) -> None:
    packed = packed_toy()
    card = {**packed.card, "notes": list(WORDS)}
    write_model(tmp_path / "m.safetensors", StoredModel(packed.architecture, card, packed.tensors))
    assert load_model(tmp_path / "m.safetensors").notes == WORDS
    write_model(tmp_path / "m.safetensors", packed, force=True)
    assert load_model(tmp_path / "m.safetensors").notes == ()
