"""Each verb's happy path on a toy network, from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from safetensors.numpy import save_file

from dfqsam_core.cli.main import main
from dfqsam_core.store.random_weights import random_tensors
from Testing.support.toy import toy_architecture

QUICK = ["--recipe", "fast", "--images", "1", "--iterations", "2", "--threads", "1", "--progress", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """float.safetensors, its packed model m.safetensors with report q.json, and one labelled volume in data/."""
    pytest.importorskip("torch", reason="quantizing needs torch")
    place = tmp_path_factory.mktemp("verbs")
    tensors = {name: np.ascontiguousarray(t) for name, t in random_tensors(toy_architecture(), 0).items()}
    save_file(tensors, place / "float.safetensors")
    (place / "data").mkdir()
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[:, 8:20, 10:24] = 3
    for name, array in (("image.nrrd", labels.astype(np.int16) * 50), ("label.nrrd", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1, 1, 3))
        sitk.WriteImage(image, str(place / "data" / name))
    line = ["quantize", f"{place}/float.safetensors", "-o", f"{place}/m.safetensors", "--report", f"{place}/q.json"]
    assert main([*line, *QUICK]) == 0
    return place


def test_quantize_leaves_the_model_and_its_report_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {"float.safetensors", "m.safetensors", "q.json", "data"}
    assert not [path for path in folder.iterdir() if "partial" in path.name or "work" in path.name]
    report = json.loads((folder / "q.json").read_text())
    assert report["card"]["recipe"]["synthesis"]["iterations"] == 2
    assert report["output"]["bytes"] == (folder / "m.safetensors").stat().st_size


def test_quantize_never_overwrites_without_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "m.safetensors").read_bytes()
    assert main(["quantize", str(folder / "float.safetensors"), "-o", str(folder / "m.safetensors"), *QUICK]) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "m.safetensors").read_bytes() == before


def test_a_dry_run_prints_sizes_and_times_and_writes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["quantize", str(folder / "float.safetensors"), "-o", str(tmp_path / "m.safetensors"), "--dry-run"]
    assert main([*line, *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "MB" in printed
    assert "synthesis, about" in printed
    assert "Nothing written" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("limit", "code"), [("100", 0), ("-100", 3)])
def test_verify_exits_by_the_allowed_drop(
    folder: Path, tmp_path: Path, limit: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["verify", str(folder / "m.safetensors"), "--reference", str(folder / "float.safetensors")]
    options = ["--data", str(folder / "data"), "--max-drop", limit, "--report", str(tmp_path / "v.json")]
    assert main([*line, *options, "--every", "1", "--threads", "1", "--progress", "none"]) == code
    shown = capsys.readouterr()
    report = json.loads((tmp_path / "v.json").read_text())
    assert [(row["prompt"], row["objects"]) for row in report["rows"]] == [("box", 2), ("1pt", 2), ("3pt", 2)]
    assert all(f"{row['model']['mean']:.3f}" in shown.out for row in report["rows"])
    assert ("more than -100.0 points" in shown.err) == (code == 3)
    # 27 layers, and four quantizers in each of three attentions.
    assert report["model"]["quantizers"]["activations"] == 39


def test_bench_prints_every_task_and_the_ratios(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["bench", str(folder / "m.safetensors"), "--reference", str(folder / "float.safetensors"), "--runs", "1"]
    assert main([*line, "--threads", "1", "--report", str(tmp_path / "b.json"), "--progress", "none"]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "b.json").read_text())
    assert {"encoder", "first click", "next click"} <= set(report["timings"]["model"])
    assert all(f"{ratio['wall']:.2f}" in printed for ratio in report["ratios"].values())
    assert main(["bench", str(folder / "m.safetensors"), "--runs", "1", "--threads", "1", "--progress", "none"]) == 0
    assert "encoder, ms" in capsys.readouterr().out
