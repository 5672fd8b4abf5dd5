"""The page of a comparison: complete, worst first, and alone in the world."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("torch", reason="a packed model is made with torch")

from dfqsam_core.errors import ConfigError
from dfqsam_core.evaluate import Comparison, EvaluationProtocol, Evaluator, Sampling
from dfqsam_core.evaluate.examples import worst_examples
from dfqsam_core.evaluate.html_report import html_report
from dfqsam_core.evaluate.layer_noise import measure_layers
from dfqsam_core.store.model_file import write_model
from Testing.support.quantized import quantized_toy, toy_checkpoint_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy.safetensors, its packed model m.safetensors, and data/ with one picture of four objects."""
    place = tmp_path_factory.mktemp("report")
    toy_checkpoint_file(place)
    write_model(place / "m.safetensors", quantized_toy()[1])
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (place / "data" / name).mkdir(parents=True)
    picture = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(picture), str(place / "data" / "images" / "s.png"))
    for number in range(4):
        mask = np.zeros((64, 64), np.uint8)
        mask[8 + 12 * number : 18 + 12 * number, 10 : 30 + 6 * number] = 255
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(place / "data" / "masks" / f"s_{number}.png"))
    return place


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    evaluator = Evaluator(
        folder / "toy.safetensors",
        [folder / "data"],
        ["box", "3pt"],
        protocol=EvaluationProtocol(Sampling(every=1)),
        threads=1,
    )
    return evaluator.compare(folder / "m.safetensors")


def test_the_worst_come_first_once_each_with_the_answers_that_were_measured(comparison: Comparison) -> None:
    examples = worst_examples(comparison, 3)
    drops = [example.measurement.drop for example in examples]
    assert drops == sorted((m.drop for m in comparison.measurements), reverse=True)[:1] + drops[1:]
    assert drops == sorted(drops, reverse=True)
    assert len({example.measurement.object_key for example in examples}) == 3
    for example in examples:
        both = 2 * np.count_nonzero(example.model.mask & example.reference.mask)
        sizes = np.count_nonzero(example.model.mask) + np.count_nonzero(example.reference.mask)
        assert (both / sizes if sizes else 1.0) == pytest.approx(example.measurement.agreement)
        assert (example.model.prompts.box is None) == (example.measurement.prompt != "box")


def test_the_page_shows_everything_and_asks_for_nothing(comparison: Comparison, folder: Path) -> None:
    rows = measure_layers(comparison.evaluator, folder / "m.safetensors", folder / "toy.safetensors")
    result = comparison.report() | {"layers": rows, "layer_slices": 1}
    result["skipped"] = [{"case": "<b>bad</b>", "reason": "it is broken"}]
    page = html_report(comparison, result, pictures=2)
    assert page.count("data:image/png;base64,") == 2
    assert all(text in page for text in ("By modality", "By size", "blocks.2.attn", "m.safetensors", "it is broken"))
    assert "&lt;b&gt;bad" in page
    assert "<b>bad" not in page
    assert "nan" not in page.split("<h2>Worst")[0]
    assert not re.findall(r"<script|<link|@import|url\(|https?://", page)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_parts_need_a_packed_model_and_its_float_checkpoint(comparison: Comparison, folder: Path) -> None:
    with pytest.raises(ConfigError, match="Leave out --layers"):
        measure_layers(comparison.evaluator, folder / "toy.safetensors", folder / "toy.safetensors")
