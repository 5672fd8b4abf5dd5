"""Every verb that runs a float checkpoint wants to know how it was trained where its tensors do not tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.cli.main import main
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.model_file import StoredModel, write_model
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.packed import packed_toy
from Testing.support.toy import random_tensors, toy_architecture

BOX = {"type": "box", "corners": [[2, 2, 1], [9, 8, 1]]}
POINT = {"type": "point", "position": [5, 5, 1]}
SCRIBBLE = {"type": "scribble", "path": [[4, 4, 1], [7, 6, 1]]}
VERBS = {
    "quantize": ["quantize", "{sam}", "-o", "{out}.safetensors"],
    "estimate": ["quantize", "{sam}", "-o", "{out}.safetensors", "--dry-run"],
    "segment": ["segment", "{volume}", "{prompts}", "-m", "{sam}", "-o", "{out}.nrrd"],
    "verify": ["verify", "{sam}", "--reference", "{sam}"],
    "bench": ["bench", "{sam}", "--runs", "1"],
    "bench reference": ["bench", "{toy}", "--reference", "{sam}", "--runs", "1", "--threads", "1"],
    "report": ["report", "{sam}", "-o", "{out}.html"],
    "ablate": ["ablate", "{sam}", "-o", "{out}"],
}


@pytest.fixture
def names(tmp_path: Path) -> dict[str, str]:
    """Files by their names in VERBS; "sam" is for 1024-pixel images and has no adapters."""
    architecture = replace(toy_architecture(adapter_dim=0), image_size=1024)
    save_file(random_tensors(architecture, 0), tmp_path / "sam.safetensors")
    voxels = np.random.default_rng(0).integers(0, 200, (12, 10, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 3, 1])), tmp_path / "v.nii")
    files = {"sam": "sam.safetensors", "volume": "v.nii", "prompts": "p.json", "out": "out"}
    return {name: str(tmp_path / file) for name, file in files.items()} | {"toy": str(write_toy_checkpoint(tmp_path))}


def prompted(names: dict[str, str], *prompts: dict[str, Any]) -> None:
    """Write the prompts file."""
    content = {"coordinate_system": "IJK", "segments": [{"name": "a", "label": 1, "prompts": prompts}]}
    Path(names["prompts"]).write_text(json.dumps(content))


@pytest.mark.parametrize("words", VERBS.values(), ids=VERBS)
def test_without_them_nothing_runs(names: dict[str, str], words: list[str], capsys: pytest.CaptureFixture) -> None:
    prompted(names, BOX)
    before = sorted(Path(names["sam"]).parent.iterdir())
    assert main([word.format(**names) for word in words]) == 2
    said = capsys.readouterr().err
    assert "files of SAM and of MedSAM have the same tensors" in said
    assert "--conventions" in said
    assert "Traceback" not in said
    left = [path for path in Path(names["sam"]).parent.iterdir() if path not in before]
    assert [path for path in left if path.is_file() or any(path.iterdir())] == []


def test_info_says_that_nobody_knows_and_what_was_said(names: dict[str, str], capsys: pytest.CaptureFixture) -> None:
    assert main(["info", names["sam"]]) == 0
    assert "conventions: unknown" in (said := capsys.readouterr().out)
    assert "files of SAM and of MedSAM have the same tensors" in said
    assert main(["info", names["sam"], "--conventions", "medsam"]) == 0
    assert "conventions: medsam" in (said := capsys.readouterr().out)
    assert "of SAM and of MedSAM" not in said


@pytest.mark.parametrize("conventions", ["sam", "medsam", "sam-med2d"])
def test_a_box_is_segmented_by_each(names: dict[str, str], conventions: str, capsys: pytest.CaptureFixture) -> None:
    prompted(names, BOX)
    words = ["segment", names["volume"], names["prompts"], "-m", names["toy"], "-o", names["out"] + ".nrrd"]
    assert main([*words, "--conventions", conventions]) == 0
    said = capsys.readouterr().out
    assert ("without an estimate" in said) == (conventions == "medsam")


@pytest.mark.parametrize(("prompt", "what"), [(POINT, "points"), (SCRIBBLE, "masks and points")])
def test_medsam_refuses_other_prompts_of_a_file(
    names: dict[str, str], prompt: dict[str, Any], what: str, capsys: pytest.CaptureFixture
) -> None:
    prompted(names, BOX, prompt)
    words = ["segment", names["volume"], names["prompts"], "-m", names["toy"], "-o", names["out"] + ".nrrd"]
    assert main([*words, "--conventions", "medsam"]) == 2
    assert f"MedSAM was trained with boxes alone, not with {what}" in capsys.readouterr().err
    assert not Path(names["out"] + ".nrrd").exists()


def test_medsam_is_measured_with_boxes(names: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["verify", names["toy"], "--reference", names["toy"], "--conventions", "medsam", "--draws", "1"]
    report = tmp_path / "r.json"
    assert main([*words, "--every", "20", "--report", str(report)]) == 0
    assert {row["prompt"] for row in json.loads(report.read_text())["rows"]} == {"box"}
    assert main([*words, "--prompts", "box,1pt"]) == 2
    assert "1pt cannot be measured: MedSAM was trained with boxes alone" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["verify", "--draws", "1", "--every", "20"], ["bench", "--runs", "1"]])
def test_a_model_is_not_compared_with_its_checkpoint_by_other_conventions(
    names: dict[str, str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model, source = packed_toy(), FileSource.of(names["toy"]).to_dict()
    card = {**model.card, "source": source, "format_version": 2, "conventions": "medsam"}
    write_model(tmp_path / "packed.safetensors", StoredModel(model.architecture, card, model.tensors))
    assert main([*words, str(tmp_path / "packed.safetensors"), "--reference", names["toy"]]) == 2
    said = capsys.readouterr().err
    assert "made from the reference with the conventions medsam, and the reference is run by those of sam-med2d" in said
    assert "Give --conventions medsam." in said
