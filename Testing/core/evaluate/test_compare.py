"""The whole comparison, on toy networks and the embedded sample or a tiny volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.errors import ConfigError, DFQSAMError
from dfqsam_core.evaluate import EvaluationProtocol, Evaluator, Sampling, compare_models
from dfqsam_core.progress import Cancelled, Progress
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.labelled_volume import write_labelled_volume


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One volume of two labelled slices with one object each."""
    return write_labelled_volume(tmp_path / "data")


def test_a_model_compared_with_itself_loses_nothing(tmp_path: Path, data: Path) -> None:
    model = write_toy_checkpoint(tmp_path)
    result = compare_models(model, model, [data], protocol=EvaluationProtocol(Sampling(every=1)), threads=1)
    # A box is asked once, each of three kinds of clicks three times.
    assert len(result["measurements"]) == 2 * (1 + 3 * 3)
    assert [row["drop"]["mean"] for row in result["rows"]] == [0] * 4
    assert [row["agreement"]["mean"] for row in result["rows"]] == [1] * 4
    assert result["model"]["quantizers"] is None


def test_another_model_answers_differently_on_the_same_objects(tmp_path: Path, data: Path) -> None:
    a, b = (write_toy_checkpoint(tmp_path, seed, f"{seed}.safetensors") for seed in (0, 1))
    there, back = (compare_models(*pair, [data], ["box"], threads=1)["measurements"] for pair in ((a, b), (b, a)))
    assert [m["model"] for m in there] == [m["reference"] for m in back]
    assert set(there[0]["model"]) == {"dice", "iou", "surface_dice"}
    assert there[0]["agreement"] < 1
    assert there[0]["ellipse"] == back[0]["ellipse"]
    assert there[0]["ellipse"]["dice"] > 0.7


def test_an_unreadable_case_is_listed_and_the_rest_measured(tmp_path: Path, data: Path) -> None:
    (data / "broken.npz").write_bytes(b"nothing")
    model = write_toy_checkpoint(tmp_path)
    result = compare_models(model, model, [data], ["box"], threads=1)
    assert [case["case"] for case in result["skipped"]] == ["broken.npz"]
    assert result["rows"][0]["objects"] == 1


def test_objects_of_equal_names_in_two_folders_are_two_objects(tmp_path: Path, data: Path) -> None:
    other = write_labelled_volume(tmp_path / "other", {3: np.s_[2:30, 4:12]})
    model = write_toy_checkpoint(tmp_path)
    result = compare_models(model, model, [data, other], ["box"], threads=1)
    assert [(row["modality"], row["objects"]) for row in result["rows"]] == [("unknown", 2)]


def test_data_without_objects_is_refused(tmp_path: Path, data: Path) -> None:
    model = write_toy_checkpoint(tmp_path)
    with pytest.raises(DFQSAMError, match="hold no object of 60000 pixels"):
        compare_models(model, model, [data], protocol=EvaluationProtocol(Sampling(min_pixels=60000)))


def test_unknown_prompts_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown prompt kinds"):
        compare_models(tmp_path / "no", tmp_path / "no", [tmp_path], ["star"])


def test_draws_differ_and_the_first_is_that_of_a_single_draw(tmp_path: Path, data: Path) -> None:
    a, b = (write_toy_checkpoint(tmp_path, seed, f"{seed}.safetensors") for seed in (0, 1))
    protocols = (EvaluationProtocol(draws=6), EvaluationProtocol(draws=1))
    many, one = (compare_models(a, b, [data], ["1pt"], protocol=p, threads=1)["measurements"] for p in protocols)
    assert [m["draw"] for m in many] == [0, 1, 2, 3, 4, 5]
    assert many[0] == one[0]
    assert len({m["model"]["dice"] for m in many}) > 1


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"tolerance": 0.0}, {"tolerance": float("nan")}])
def test_settings_that_measure_nothing_are_refused(tmp_path: Path, data: Path, wrong: dict[str, float]) -> None:
    model = write_toy_checkpoint(tmp_path)
    with pytest.raises(ConfigError):
        compare_models(model, model, [data], threads=1, protocol=EvaluationProtocol(**wrong))  # type: ignore[arg-type]


def test_one_evaluator_compares_several_models(tmp_path: Path, data: Path) -> None:
    a, b = (write_toy_checkpoint(tmp_path, seed, f"{seed}.safetensors") for seed in (0, 1))
    evaluator = Evaluator(a, [data], ["box", "1pt"], threads=1)
    there, alone = evaluator.compare(b).report(), compare_models(b, a, [data], ["box", "1pt"], threads=1)
    assert there["measurements"] == alone["measurements"]
    assert evaluator.compare(a).report()["rows"][0]["drop"]["mean"] == 0


def test_it_can_be_cancelled(tmp_path: Path, data: Path) -> None:
    model = write_toy_checkpoint(tmp_path)

    def stop(progress: Progress) -> None:
        if progress.stage == "verify":
            raise Cancelled

    with pytest.raises(Cancelled):
        compare_models(model, model, [data], progress=stop, threads=1)
