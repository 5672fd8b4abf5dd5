"""The study of synthesis: every cell once, whatever stops it, and differences that are right by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from dfqsam_core.quant import QuantConfig  # noqa: E402
from research.studies.synthesis_worth.__main__ import ROWS, main  # noqa: E402
from research.studies.synthesis_worth.tables import tables  # noqa: E402
from research.studies.synthesis_worth.variants import PAPER, VARIANTS, cells  # noqa: E402
from Testing.support.quantized import toy_checkpoint_file  # noqa: E402


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    """A study of a toy network on one slice: five variants of one image and two steps."""
    images, masks = tmp_path / "data" / "images", tmp_path / "data" / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    y, x = np.mgrid[:64, :64] - 31.5
    disc = (x**2 + y**2 < 20**2).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(200 * disc), str(images / "s.png"))
    sitk.WriteImage(sitk.GetImageFromArray(disc), str(masks / "s_1.png"))
    sizes = ["--recipe", "fast", "--seeds", "1", "--images", "1", "--iterations", "2", "--paper-iterations", "3"]
    only = "painted starts,painted: fixed labels,noise: evolution,Gaussian noise,paper"
    model, data, output = (str(path) for path in (toy_checkpoint_file(tmp_path), tmp_path / "data", tmp_path / "out"))
    return [model, "--data", data, "--output", output, *sizes, "--only", only, "--draws", "2", "--prompts", "box,1pt"]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_study_that_was_stopped_goes_on_to_the_same_rows(line: list[str], tmp_path: Path) -> None:
    assert main(line) == 0
    whole = rows_of(tmp_path / "out" / ROWS)
    assert len({row["variant"] for row in whole}) == 5
    assert len(whole) == 5 * (1 + 2)
    kept = [row for row in whole if row["variant"] in ("paper", "painted starts")]
    with (tmp_path / "out" / ROWS).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(kept[0]))
        writer.writeheader()
        writer.writerows(row | {"dice": "0.5"} for row in kept)
    assert main([*line, "--jobs", "2"]) == 0
    again = rows_of(tmp_path / "out" / ROWS)
    # What was kept is not measured again.
    assert {row["dice"] for row in again if row["variant"] in ("paper", "painted starts")} == {"0.5"}
    measured = [row for row in whole if row not in kept]
    assert [row for row in again if row["dice"] != "0.5"] == measured
    text = (tmp_path / "out" / "synthesis_worth.md").read_text()
    assert "| painted: optimising |" in text
    assert "| noise: patch similarity |" not in text


def test_a_folder_of_another_study_is_refused(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "study.json").write_text("[]")
    assert main(line) == 2
    assert "holds a study of another model" in capsys.readouterr().err
    assert main([*line, "--only", "something"]) == 2


def test_all_cells_have_as_many_images_and_the_same_calibration() -> None:
    base = QuantConfig.from_recipe("default", images=5)
    found = cells(base, 2, list(VARIANTS), 1500)
    assert len(found) == 2 * len(VARIANTS)
    assert {cell.config.synthesis.images for cell in found} == {5}
    assert {cell.config.calibration for cell in found} == {base.calibration}
    assert [cell.variant for cell in found[:2]] == [PAPER, PAPER]
    assert found[0].config.synthesis.rounds == 3


def test_gains_are_paired_by_object_after_averaging_seeds_and_draws() -> None:
    dice = {
        "Gaussian noise": {("a", 0): 0.50, ("a", 1): 0.60, ("b", 0): 0.80, ("b", 1): 0.80},
        "painted starts": {("a", 0): 0.60, ("a", 1): 0.80, ("b", 0): 0.85, ("b", 1): 0.85},
    }
    rows = [
        {"variant": variant, "seed": seed, "labels": 2, "prompt": "box", "draw": 0, "case": "c", "slice": 0,
         "object": name, "dice": value, "float_dice": 0.9, "same": value}
        for variant, values in dice.items() for (name, seed), value in values.items()
    ]  # fmt: skip
    text = tables(rows, list(VARIANTS))
    assert "| Gaussian noise | 2.0 | +22.50 [" in text
    # 15 points of object a, 5 of b.
    assert "| painting instead of noise | +10.00 [+5.00, +15.00] |" in text
