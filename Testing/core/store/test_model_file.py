"""Writing and reading packed models: same bytes, same values, and helpers that mean what the format says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from dfqsam_core.errors import CheckpointError, ModelFileError, OutputError
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.model_file import StoredModel, is_packed_model, read_model, write_model
from Testing.support.packed import packed_toy
from Testing.support.toy import random_tensors, toy_architecture

BLOCK = "image_encoder.blocks.0"


@pytest.fixture(scope="module")
def toy() -> StoredModel:
    return packed_toy()


@pytest.fixture(scope="module")
def toy_file(toy: StoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "toy.safetensors"
    write_model(path, toy)
    return path


def test_a_model_survives_the_file_exactly(toy: StoredModel, toy_file: Path) -> None:
    model = read_model(toy_file)
    assert model.architecture == toy.architecture
    assert model.card == json.loads(json.dumps(toy.card))
    assert set(model.tensors) == set(toy.tensors)
    for name, tensor in toy.tensors.items():
        np.testing.assert_array_equal(model.tensors[name], tensor, err_msg=name, strict=True)


def test_the_same_model_gives_the_same_bytes_and_another_seed_others(toy_file: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.safetensors", tmp_path / "other.safetensors"
    write_model(again, packed_toy())
    write_model(other, packed_toy(seed=1))
    assert again.read_bytes() == toy_file.read_bytes()
    assert other.read_bytes() != toy_file.read_bytes()


def test_the_card_is_the_only_metadata_and_its_keys_are_sorted(toy: StoredModel, toy_file: Path) -> None:
    with safe_open(toy_file, "numpy") as file:
        metadata = file.metadata()
    assert metadata == {"dfqsam": json.dumps(toy.card, sort_keys=True)}


def test_weight_codes_times_scales_are_near_the_float_weight(toy: StoredModel) -> None:
    original = random_tensors(toy.architecture, 0)
    for layer in (f"{BLOCK}.attn.qkv", f"{BLOCK}.Adapter.spatial.0", f"{BLOCK}.Adapter.spatial.2"):
        steps = toy.tensors[f"{layer}.weight.scale"].max()
        weight = toy.float_weight(layer)
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, original[f"{layer}.weight"], atol=0.51 * steps, err_msg=layer)


def test_codes_of_a_transposed_convolution_have_the_output_channel_first(toy: StoredModel) -> None:
    layer = f"{BLOCK}.Adapter.spatial.2"
    codes = toy.weight_codes(layer)
    assert (codes.dtype, codes.shape) == (np.int16, (32, 32 * 4 * 4))
    assert -15 <= codes.min() < 0 < codes.max() <= 15
    first_output = toy.float_weight(layer)[:, 0]
    np.testing.assert_allclose(codes[0] * toy.tensors[f"{layer}.weight.scale"][0], first_output.ravel(), rtol=1e-6)


def test_8_bit_codes_are_symmetric(toy: StoredModel) -> None:
    codes = toy.weight_codes("mask_decoder.iou_prediction_head.layers.2")
    assert (codes.min(), codes.max()) in {(-127, codes.max()), (codes.min(), 127)}


def test_bits_come_from_the_card(toy: StoredModel) -> None:
    assert (toy.weight_bits(f"{BLOCK}.mlp.lin1"), toy.input_bits(f"{BLOCK}.mlp.lin1")) == (4, 4)
    assert toy.input_bits("image_encoder.patch_embed.proj") == 8
    assert (toy.weight_bits("mask_decoder.output_upscaling.0"), toy.input_bits("mask_decoder.output_upscaling.0")) == (
        8,
        None,
    )
    assert (toy.input_bits(f"{BLOCK}.attn"), toy.softmax_bits(f"{BLOCK}.attn")) == (4, 4)
    assert (toy.is_quantized(f"{BLOCK}.mlp.lin1"), toy.is_quantized("prompt_encoder.mask_downscaling.0")) == (
        True,
        False,
    )


def test_a_float_layer_has_a_weight_but_no_codes(toy: StoredModel) -> None:
    layer = "prompt_encoder.mask_downscaling.0"
    np.testing.assert_array_equal(toy.float_weight(layer), toy.tensors[f"{layer}.weight"])
    with pytest.raises(ModelFileError, match="is float, it has no codes"):
        toy.weight_codes(layer)


def test_a_float_network_is_a_model_without_entries() -> None:
    tensors = random_tensors(toy_architecture(), 0)
    model = StoredModel(toy_architecture(), {"layers": []}, tensors)
    assert not model.is_quantized(f"{BLOCK}.attn.qkv")
    assert model.float_weight(f"{BLOCK}.attn.qkv") is tensors[f"{BLOCK}.attn.qkv.weight"]


def test_an_existing_file_is_kept_without_force(toy: StoredModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_model(path, toy)
    assert path.read_text() == "precious"
    write_model(path, toy, force=True)
    assert is_packed_model(path)


def test_an_invalid_model_is_not_written(toy: StoredModel, tmp_path: Path) -> None:
    broken = replace(toy, tensors={**toy.tensors, f"{BLOCK}.norm1.weight": np.full(32, np.nan, np.float32)})
    with pytest.raises(ModelFileError, match=r"blocks.0.norm1.weight' has values that are not finite"):
        write_model(tmp_path / "model.safetensors", broken)
    other = replace(toy, architecture=toy_architecture(adapter_dim=0))
    with pytest.raises(ModelFileError, match="describes another architecture"):
        write_model(tmp_path / "model.safetensors", other)
    for value, message in ((float("nan"), "cannot be written as JSON"), ("x" * 2**20, "at most 1048576 fit")):
        with pytest.raises(ModelFileError, match=message):
            write_model(tmp_path / "model.safetensors", replace(toy, card={**toy.card, "recipe": value}))
    assert list(tmp_path.iterdir()) == []


def test_describe_tells_a_packed_model_from_a_float_checkpoint(toy_file: Path, shared: Path) -> None:
    packed = describe_file(toy_file)
    assert (packed["kind"], packed["file_name"], packed["bytes"]) == (
        "packed model",
        "toy.safetensors",
        toy_file.stat().st_size,
    )
    assert packed["card"]["format_version"] == 1
    compact = describe_file(shared / "models" / "sam-med2d_t.safetensors")
    assert (compact["kind"], compact["architecture_name"]) == (
        "float checkpoint",
        "compact SAM-Med2D 192x12 with adapters",
    )
    assert compact["sha256"] == "f97ed60eaf5f93f67830c64efbbe928a17eb4805d1772f126afd12ec12fa90f0"
    json.dumps([packed, compact])


def test_a_packed_model_is_no_float_checkpoint(toy_file: Path) -> None:
    with pytest.raises(CheckpointError, match="is a packed model, not a float checkpoint"):
        read_checkpoint(toy_file)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\0\0\0\0\0\0\0{}      "])
def test_other_files_are_no_packed_models(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_packed_model(path)
    assert not is_packed_model(tmp_path / "missing")
    assert not is_packed_model(tmp_path)
