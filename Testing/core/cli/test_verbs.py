"""Each verb's happy path on a toy network, from files to files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dfqsam_core.base.installation import install_command
from dfqsam_core.cli.main import main
from dfqsam_core.runtime import load_model
from dfqsam_core.runtime.engines import choice as engine_choice
from dfqsam_core.runtime.engines.openvino import openvino_version
from dfqsam_core.store.model_file import StoredModel, read_model, write_model
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.labelled_volume import write_labelled_volume

QUICK = ["--recipe", "fast", "--images", "1", "--iterations", "2", "--threads", "1", "--progress", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """float.safetensors, its packed model m.safetensors with report q.json, and one labelled volume in data/."""
    pytest.importorskip("torch", reason="quantizing needs torch")
    place = tmp_path_factory.mktemp("verbs")
    write_toy_checkpoint(place, 0, "float.safetensors")
    write_labelled_volume(place / "data")
    line = ["quantize", f"{place}/float.safetensors", "-o", f"{place}/m.safetensors", "--report", f"{place}/q.json"]
    assert main([*line, *QUICK]) == 0
    return place


def test_quantize_leaves_the_model_and_its_report_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {"float.safetensors", "m.safetensors", "q.json", "data"}
    assert not [path for path in folder.iterdir() if "partial" in path.name or "work" in path.name]
    report = json.loads((folder / "q.json").read_text())
    assert report["card"]["recipe"]["synthesis"]["iterations"] == 2
    assert "worth" not in report["card"]
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
    assert "stay float" not in printed
    assert "has been worth at 4 bits" not in printed
    assert main([*line, "--recipe", "default"]) == 0
    assert "has been worth at 4 bits" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_the_papers_recipe_leaves_in_float(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["quantize", str(folder / "float.safetensors"), "-o", str(tmp_path / "m.safetensors"), "--dry-run"]
    assert main([*line, "--recipe", "paper"]) == 0
    assert "3 layers of the image encoder stay float: the recipe leaves ConvTranspose2d" in capsys.readouterr().out


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


def test_verify_says_what_was_changed_to_make_a_network_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, report = read_model(folder / "m.safetensors"), tmp_path / "v.json"
    card = {**model.card, "notes": ["Made for 1024-pixel images."]}
    write_model(tmp_path / "m.safetensors", StoredModel(model.architecture, card, model.tensors))
    line = ["verify", str(tmp_path / "m.safetensors"), "--reference", str(folder / "float.safetensors")]
    options = ["--data", str(folder / "data"), "--max-drop", "100", "--report", str(report), "--every", "1"]
    assert main([*line, *options, "--threads", "1", "--progress", "none"]) == 0
    assert "Note: Made for 1024-pixel images." in capsys.readouterr().out
    assert json.loads(report.read_text())["notes"] == ["Made for 1024-pixel images."]


@pytest.mark.parametrize(
    ("model", "options", "problem"),
    [
        ("q.json", [], "q.json"),
        ("float.safetensors", ["--layers"], "Leave out --layers"),
        ("m.safetensors", ["--html", "page.html"], install_command("evaluate")),
    ],
)
def test_verify_says_before_the_measuring_what_would_stop_it_afterwards(
    folder: Path,
    model: str,
    options: list[str],
    problem: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dfqsam_core.evaluate.Evaluator", None)
    # As where jinja2 is not installed.
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "dfqsam_core.evaluate.html_report", raising=False)
    monkeypatch.delattr("dfqsam_core.evaluate.html_report", raising=False)
    line = ["verify", str(folder / model), "--reference", str(folder / "float.safetensors"), *options]
    assert main([*line, "--data", str(folder / "data"), "--progress", "none"]) == 2
    assert problem in capsys.readouterr().err


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


def test_bench_compares_with_an_earlier_report_of_this_machine(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, line = tmp_path / "old.json", ["bench", str(folder / "m.safetensors"), "--runs", "1", "--progress", "none"]
    assert main([*line, "--threads", "1", "2", "--report", str(old)]) == 0
    assert "before" not in capsys.readouterr().out
    assert main([*line, "--threads", "2", "--compare", str(old)]) == 0
    rows = [row.split() for row in capsys.readouterr().out.splitlines() if row.strip().startswith("counts, operators")]
    counted = str(json.loads(old.read_text())["counts"]["operators"])
    assert rows == [["counts,", "operators", counted, counted, "1.00"]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "not a report of `dfqsam bench`"),
        ('{"threads": 1}', "not a report of `dfqsam bench`"),
        ("{", "not valid JSON"),
        (
            '{"threads": 1, "more_threads": [], '
            '"machine": {"cpu": "Z80", "instruction_set": "Z80", "physical_cores": 1}}',
            "another machine (Z80 instead of",
        ),
    ],
)
def test_bench_refuses_other_reports_before_it_measures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    (tmp_path / "old.json").write_text(text, encoding="utf-8")
    line = ["bench", str(folder / "m.safetensors"), "--compare", str(tmp_path / "old.json"), "--progress", "none"]
    assert main(line) == 2
    printed = capsys.readouterr()
    assert problem in printed.err
    assert "encoder" not in printed.out


def test_bench_chooses_an_engine(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if openvino_version() is None:
        pytest.skip("needs OpenVINO: pip install '.[openvino]'")
    monkeypatch.setattr(engine_choice, "user_cache_folder", lambda: tmp_path / "cache")
    line = ["bench", str(folder / "m.safetensors"), "--choose-engine", "--runs", "1", "--threads", "1", "2"]
    assert main([*line, "--report", str(tmp_path / "c.json"), "--progress", "none"]) == 0
    printed, choices = capsys.readouterr().out, json.loads((tmp_path / "c.json").read_text())["choices"]
    assert [choice["threads"] for choice in choices] == [1, 2]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    for choice in choices:
        assert f"OpenVINO is {choice['gain']:.2f} times as fast" in printed
        assert f"embedded by {choice['engine']}" in printed
        assert load_model(folder / "m.safetensors", choice["threads"]).engine == choice["engine"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--reference", "x.pth"], "Leave --reference out"),
        (["--runs", "0"], "Give at least 1"),
    ],
)
def test_an_engine_is_chosen_for_one_model(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], problem: str
) -> None:
    assert main(["bench", str(folder / "m.safetensors"), "--choose-engine", *more]) == 2
    assert problem in capsys.readouterr().err


def test_an_engine_cannot_be_chosen_without_its_package(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "openvino_version", lambda: None)
    assert main(["bench", str(folder / "m.safetensors"), "--choose-engine"]) == 2
    assert install_command("openvino") in capsys.readouterr().err
