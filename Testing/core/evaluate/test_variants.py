"""Recipes with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import save_file

from dfqsam_core.errors import ConfigError
from dfqsam_core.evaluate.model_folder import ModelFolder
from dfqsam_core.evaluate.variants import VARIANTS, WHOLE, changed, parse_variant
from dfqsam_core.quant import QuantConfig
from dfqsam_core.store.model_file import read_model
from Testing.support.quantized import toy_checkpoint_file, toy_config
from Testing.support.toy import random_tensors, toy_architecture


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("recipe", ["default", "paper", "fast"])
def test_every_variant_fits_every_recipe_and_changes_only_what_it_says(name: str, recipe: str) -> None:
    base = QuantConfig.from_recipe(recipe)
    before, after = base.to_dict(), changed(base, VARIANTS[name]).to_dict()
    for dotted, value in VARIANTS[name].items():
        part, _, field = dotted.rpartition(".")
        place, old = (after[part], before[part]) if part else (after, before)
        assert place[field] == value
        place[field] = old[field]
    assert after == before
    assert bool(VARIANTS[name]) == (name != WHOLE)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"synthesis.pictures": 1}, "no setting 'synthesis.pictures'"),
        ({"nothing": 1}, "no setting 'nothing'"),
        ({"synthesis": 1}, "cannot be 1"),
        ({"synthesis.images": 1.5}, "cannot be 1.5"),
        ({"synthesis.images": True}, "cannot be True"),
        ({"calibration.bias_correction": 0}, "cannot be 0"),
        ({"synthesis.images": 0}, "images must be 1 to 4096"),
        ({"synthesis.rounds": 0}, "rounds must be at least 1"),
        ({"synthesis.variation_target": [0.1]}, "variation_target must be two rising numbers"),
        ({"synthesis.variation_target": [0.1, "a"]}, "variation_target must be two rising numbers"),
        ({"synthesis.variation_target": [0.2, 0.1]}, "variation_target must be two rising numbers"),
        ({"synthesis.learning_rate": float("nan")}, "learning_rate must be a number of at least 0"),
        ({"synthesis.entropy_weight": float("inf")}, "entropy_weight must be a number of at least 0"),
        ({"synthesis.entropy_points": 1}, "entropy_points must be at least 2"),
        ({"synthesis.start": "dreams"}, "start must be one of anatomy, noise, not 'dreams'"),
        ({"synthesis.auxiliary": 5}, "cannot be 5"),
        ({"calibration.rounding": "up"}, "rounding must be one of feedback, nearest"),
        ({"calibration.range_search": "best"}, "range_search must be one of"),
        ({"calibration.tuning_steps": -1}, "tuning_steps must be 0 to 500, not -1"),
        ({"calibration.tuning_steps": 501}, "tuning_steps must be 0 to 500, not 501"),
    ],
)
def test_settings_that_there_are_not_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        changed(QuantConfig(), settings)


def test_a_variant_is_read_from_the_command_line() -> None:
    text = "two images:synthesis.images=2, calibration.bias_correction=false,calibration.weight_search=quantile"
    assert parse_variant(text) == (
        "two images",
        {
            "synthesis.images": 2,
            "calibration.bias_correction": False,
            "calibration.weight_search": "quantile",
        },
    )


@pytest.mark.parametrize("text", ["no settings", ":a=1", "name:a", "name:=1"])
def test_what_is_no_variant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not NAME:setting=value"):
        parse_variant(text)


def test_models_are_made_once_and_share_their_images(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    folder = ModelFolder(tmp_path / "models", toy_checkpoint_file(tmp_path), threads=1)
    config = toy_config(images=1, iterations=1)
    path = folder.model(config)
    written = path.stat().st_mtime_ns
    assert folder.model(config) == path
    assert path.stat().st_mtime_ns == written
    other = folder.model(changed(config, {"calibration.bias_correction": False}))
    assert other != path
    assert len(list((tmp_path / "models").glob("images-*.npy"))) == 1
    assert read_model(other).card["recipe"]["calibration"]["bias_correction"] is False


def test_models_and_images_of_another_version_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come from other rules: a table once compared them with those of the present ones."""
    config = toy_config(images=1, iterations=1)
    folder = ModelFolder(tmp_path, toy_checkpoint_file(tmp_path), threads=1)
    path = folder.model(config)
    monkeypatch.setattr("dfqsam_core.store.card.__version__", "0.0.1")
    assert folder.model(config) != path
    assert len(list(tmp_path.glob("images-*.npy"))) == 2


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array"])
def test_images_that_are_damaged_are_refused_by_their_name(tmp_path: Path, content: bytes) -> None:
    config = toy_config(images=1, iterations=1)
    folder = ModelFolder(tmp_path, toy_checkpoint_file(tmp_path), threads=1)
    folder.pixels(config)
    (path,) = tmp_path.glob("images-*.npy")
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{path.name} are damaged. Delete"):
        folder.pixels(config)


def test_no_threads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 threads"):
        ModelFolder(tmp_path, toy_checkpoint_file(tmp_path), threads=0)


def test_other_images_are_used_where_they_are_given(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path, toy_checkpoint_file(tmp_path), threads=1)
    config = changed(toy_config(images=1, iterations=1), {"recipe": "real"})
    folder.model(config, images=lambda: torch.rand(1, 1, 64, 64))
    assert not list(tmp_path.glob("images-*"))


def test_a_model_tells_what_was_changed_in_its_checkpoint(tmp_path: Path) -> None:
    architecture = replace(toy_architecture(adapter_dim=0), image_size=1024)
    save_file(random_tensors(architecture, 0), tmp_path / "sam.safetensors")
    folder = ModelFolder(tmp_path, tmp_path / "sam.safetensors", threads=1, conventions="sam-med2d")
    notes = read_model(folder.model(toy_config(images=1, iterations=1))).card["notes"]
    assert notes[0] == "Position tables resized linearly from 1024-pixel to 256-pixel images."
    assert "coarser than in the program it comes from" in notes[1]
