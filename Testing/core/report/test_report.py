"""`dfqsam report` on a toy network: one page that stands alone, names nobody, and goes on where it was interrupted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="quantizing needs torch")
pytest.importorskip("jinja2")

from dfqsam_core.cli.main import main
from dfqsam_core.evaluate import EvaluationProtocol, Sampling, compare_models
from dfqsam_core.progress import Cancelled, Progress
from dfqsam_core.quant import QuantConfig
from dfqsam_core.report.models import ReportModels
from dfqsam_core.report.run import ReportSettings, make_report
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.labelled_volume import write_labelled_volume

PATIENT = "Mustermann_Erika"


def quick(recipe: str) -> QuantConfig:
    return QuantConfig.from_recipe(recipe, images=1, iterations=2)


def settings_in(folder: Path) -> ReportSettings:
    """A random toy checkpoint, and one labelled volume in a folder that bears a patient's name, as its labels do."""
    write_labelled_volume(folder / PATIENT)
    (folder / PATIENT / "label.nrrd").rename(folder / PATIENT / "label-of-erika.nrrd")
    return ReportSettings(
        checkpoint=write_toy_checkpoint(folder),
        data=[folder / PATIENT],
        work=folder / "page.work",
        configs=(quick("default"), quick("paper")),
        protocol=EvaluationProtocol(Sampling(every=1), draws=1),
        threads=1,
        runs=1,
    )


@pytest.fixture
def settings(tmp_path: Path) -> ReportSettings:
    """Of a report that nobody has made yet."""
    return settings_in(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ReportSettings:
    """Of a report that was made: page.html and report.json beside its work folder."""
    settings = settings_in(tmp_path_factory.mktemp("finished"))
    assert main(line(settings, "--report", str(settings.work.with_name("report.json")))) == 0
    return settings


def line(settings: ReportSettings, *more: str) -> list[str]:
    """The command of these settings."""
    options = ["--images", "1", "--iterations", "2", "--every", "1", "--draws", "1", "--runs", "1", "--threads", "1"]
    data = [word for folder in settings.data or () for word in ("--data", str(folder))]
    page = str(settings.work.with_name("page.html"))
    return ["report", str(settings.checkpoint), "-o", page, *data, *options, "--progress", "none", *more]


def read(settings: ReportSettings) -> tuple[str, dict[str, Any]]:
    """The page and the JSON report."""
    place = settings.work.parent
    return (place / "page.html").read_text(), json.loads((place / "report.json").read_text())


def test_one_page_tells_all(finished: ReportSettings) -> None:
    page, found = read(finished)
    assert [part["name"] for part in found["recipes"]] == ["default", "paper"]
    for part in found["recipes"]:
        assert {row["prompt"] for row in part["rows"]} == {"box", "1pt", "3pt"}
        assert all(f"{100 * row['drop']['mean']:+.2f}" in page for row in part["rows"] + part["size_rows"])
        assert f"{part['bench']['timings']['model']['encoder']['wall_ms']:.1f}" in page
        assert f"{part['bytes'] / 1e6:.1f}" in page
        # Of a recipe made smaller for a try: its numbers are not the recipe's.
        assert "synthetic images, steps each</td><td>1, 2</td>" in page
    assert found["checkpoint"]["sha256"] in page
    assert "+2.01" in page
    assert "departs from the published script" in page


def test_the_page_names_nobody_and_asks_for_nothing(finished: ReportSettings) -> None:
    page, found = read(finished)
    assert not re.search(r"<script|<img|<link|src=|href=|https?://", page)
    for text in (page, json.dumps(found)):
        assert not [name for name in (PATIENT, "erika", "image.nrrd", str(finished.work.parent)) if name in text]


def test_the_numbers_are_those_of_verify(finished: ReportSettings) -> None:
    [model] = finished.work.glob("default-*.safetensors")
    part = read(finished)[1]["recipes"][0]
    prompts, protocol = finished.prompts, finished.protocol
    rows = compare_models(model, finished.checkpoint, finished.data, prompts, protocol=protocol, threads=1)["rows"]
    assert [row["drop"]["mean"] for row in part["rows"]] == [row["drop"]["mean"] for row in rows]
    assert part["bytes"] == model.stat().st_size


def test_pictures_are_shown_where_they_are_asked_for(settings: ReportSettings, tmp_path: Path) -> None:
    assert main(line(settings, "--recipes", "default", "--pictures", "2")) == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 2
    assert "2 pictures of the data, because they were asked for" in page
    assert PATIENT not in page


def test_an_interrupted_report_goes_on_and_makes_no_model_twice(settings: ReportSettings, tmp_path: Path) -> None:
    stages: list[str] = []

    def stop_in_paper(progress: Progress) -> None:
        if progress.stage == "paper: synthesis" and progress.done:
            raise Cancelled

    def stop_before_measuring(progress: Progress) -> None:
        stages.append(progress.stage)
        if progress.stage == "reference":
            raise Cancelled

    with pytest.raises(Cancelled):
        make_report(settings, stop_in_paper)
    [done] = settings.work.glob("default-*.safetensors")
    assert not list(settings.work.glob("paper-*.safetensors"))
    before = done.stat().st_mtime_ns, done.read_bytes()
    with pytest.raises(Cancelled):
        make_report(settings, stop_before_measuring)
    assert (done.stat().st_mtime_ns, done.read_bytes()) == before
    assert "default: synthesis" not in stages
    assert "paper: calibration" in stages
    assert len(list(settings.work.glob("paper-*.safetensors"))) == 1


def test_what_was_made_with_other_settings_is_not_taken(settings: ReportSettings) -> None:
    models = ReportModels(settings.work, settings.checkpoint, threads=1)
    paths = [models.make(replace(quick("fast"), seed=seed))[0] for seed in (0, 1, 0)]
    assert paths[0] == paths[2] != paths[1]


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(
    settings: ReportSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main(line(settings, "--dry-run")) == 0
    printed = capsys.readouterr().out
    assert re.search(r"paper: \d+\.\d MB, about \d+\.\d minutes on 1 threads", printed)
    assert "1 images with labels" in printed
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--recipes", "default,best"], "no recipe 'best'"),
        (["--recipes", ""], "no recipe ''"),
        (["--data", "missing"], "is not a folder"),
        (["--prompts", "7pt"], "Unknown prompt kinds"),
        (["--runs", "0"], "--runs is 0. Give 1 or more"),
        (["--pictures", "-1"], "--pictures is -1. Give 0 or more"),
        (["--threads", "0"], "threads"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_made(
    settings: ReportSettings, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line(settings, *more)) == 2
    assert message in capsys.readouterr().err
    assert not settings.work.exists()


def test_a_page_that_exists_stays(settings: ReportSettings, capsys: pytest.CaptureFixture[str]) -> None:
    page = settings.work.with_name("page.html")
    page.write_text("mine")
    assert main(line(settings)) == 2
    assert "--force" in capsys.readouterr().err
    assert page.read_text() == "mine"


def test_a_packed_model_is_no_checkpoint(
    finished: ReportSettings, settings: ReportSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    [model] = finished.work.glob("default-*.safetensors")
    assert main(line(replace(settings, checkpoint=model))) == 2
    assert "is a packed model, not a float checkpoint" in capsys.readouterr().err
