"""A quantizer that is silently off is found before any accuracy is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfqsam_core.errors import CheckFailed, ModelFileError
from dfqsam_core.evaluate.activity import check_quantizers
from dfqsam_core.network.layers import encoder_layers
from dfqsam_core.network.macs import attention_products
from dfqsam_core.store.model_file import StoredModel, write_model
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.packed import packed_toy


def written(path: Path, idle: str | None = None, recipe: dict[str, Any] | None = None) -> Path:
    """A packed toy model in which the layers whose names contain `idle` take float inputs."""
    model = packed_toy()
    tensors = dict(model.tensors)
    layers = [dict(entry) for entry in model.card["layers"]]
    for entry in layers:
        if idle is not None and idle in entry["name"] and entry["kind"] != "attention":
            entry["input_bits"] = None
            for part in ("scale", "zero_point"):
                tensors.pop(f"{entry['name']}.input.{part}")
            if entry["kind"] == "conv_transpose":
                # The float layer has none; only an integer product adds one.
                tensors.pop(f"{entry['name']}.bias")
    card = {**model.card, "layers": layers, "recipe": recipe or model.card["recipe"]}
    write_model(path, StoredModel(model.architecture, card, tensors))
    return path


def test_every_encoder_layer_and_attention_of_a_whole_model_counts(tmp_path: Path) -> None:
    # Three blocks of eight layers, the patch embedding and two layers of the neck; four quantizers an attention.
    assert check_quantizers(written(tmp_path / "m.safetensors")) == {
        "weights": 27,
        "activations": 27 + 3 * 4,
        "left_in_float_by_recipe": [],
    }


def test_sam_med2d_b_would_have_147_activation_quantizers() -> None:
    architecture = NAMED_ARCHITECTURES["vit_b"]
    assert len(encoder_layers(architecture)) + 4 * len(attention_products(architecture)) == 147


def test_one_float_input_is_enough_to_fail(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors", "blocks.1.mlp.lin2")
    with pytest.raises(
        CheckFailed, match=r"1 quantizers of .* are off, the first in 'image_encoder\.blocks\.1\.mlp\.lin2'"
    ):
        check_quantizers(path)


def test_layers_that_the_recipe_leaves_in_float_are_listed(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors", "Adapter.spatial.2", {"transpose_convolutions": False})
    found = check_quantizers(path)
    assert found is not None
    assert found["weights"] == 24
    assert found["left_in_float_by_recipe"] == [f"image_encoder.blocks.{i}.Adapter.spatial.2" for i in range(3)]


def test_a_float_checkpoint_has_no_quantizers(tmp_path: Path) -> None:
    assert check_quantizers(write_toy_checkpoint(tmp_path)) is None


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError):
        check_quantizers(path)
