"""Float checkpoints of 8 bits a row: half of float16's size, read as float32 by everybody, refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dfqsam_core.cli.main import main
from dfqsam_core.errors import CheckpointError
from dfqsam_core.runtime import load_model
from dfqsam_core.store.card import DIGEST_KEY
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.row_codes import ROWS_KEY, VERSION, write_rows
from dfqsam_core.store.tensor_digest import tensors_digest
from Testing.support.toy import random_tensors, toy_architecture

Tensors = dict[str, np.ndarray]
NECK = "image_encoder.neck.2.weight"
ROWS = 256
SCALE = f"{NECK}.row_scale"


@pytest.fixture(scope="module")
def weights() -> Tensors:
    return random_tensors(toy_architecture(), 0)


@pytest.fixture
def rows_file(weights: Tensors, tmp_path: Path) -> Path:
    path = tmp_path / "rows.safetensors"
    write_rows(path, weights, {"use": "tests"})
    return path


def saved(path: Path, tensors: Tensors, **metadata: str) -> Path:
    """A file as the writer makes it, of any tensors and metadata."""
    save_file(tensors, path, {ROWS_KEY: VERSION, DIGEST_KEY: tensors_digest(tensors)} | metadata)
    return path


def test_every_value_is_read_within_half_a_step_of_its_row(weights: Tensors, rows_file: Path) -> None:
    checkpoint, stored = read_checkpoint(rows_file), load_file(rows_file)
    assert stored[NECK].dtype == np.int8
    assert set(checkpoint.tensors) == set(weights)
    for name, tensor in weights.items():
        read = checkpoint.tensors[name]
        assert (read.dtype, read.shape) == (np.float32, tensor.shape)
        if name + ".row_scale" not in stored:
            np.testing.assert_array_equal(read, tensor.astype(np.float16).astype(np.float32), err_msg=name)
            continue
        step = np.abs(tensor).reshape(len(tensor), -1).max(1) / 127
        by_hand = stored[name].astype(np.float64) * stored[name + ".row_scale"].reshape(-1, *[1] * (tensor.ndim - 1))
        np.testing.assert_allclose(read, by_hand, rtol=1e-6, err_msg=name)
        assert (np.abs(read - tensor).reshape(len(tensor), -1).max(1) <= 0.501 * step).all(), name


def test_the_decoder_and_what_is_small_flat_or_a_position_stay_half_precision(rows_file: Path) -> None:
    coded = {name for name, tensor in load_file(rows_file).items() if tensor.dtype == np.int8}
    assert NECK in coded
    assert not [name for name in coded if not name.startswith("image_encoder.")]
    assert not [name for name in coded if name.endswith(("bias", "pos_embed", "rel_pos_h", "rel_pos_w"))]
    stored = load_file(rows_file)
    values = sum(stored[name].size for name in coded)
    rest = sum(tensor.size for name, tensor in stored.items() if tensor.dtype == np.float16)
    assert read_checkpoint(rows_file).storage == {"8 bits a row": values, "float16": rest}
    assert values > 500_000


def test_the_same_tensors_give_the_same_bytes_and_as_many(weights: Tensors, rows_file: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "again.safetensors", weights, {"use": "tests"})
    assert (tmp_path / "again.safetensors").read_bytes() == rows_file.read_bytes()
    write_rows(tmp_path / "twice.safetensors", read_checkpoint(rows_file).tensors, {"use": "tests"})
    assert (tmp_path / "twice.safetensors").stat().st_size == rows_file.stat().st_size


def test_a_row_of_zeros_and_a_value_beyond_half_precision_are_kept(weights: Tensors, tmp_path: Path) -> None:
    bias = "image_encoder.blocks.1.attn.qkv.bias"
    changed = {**weights, NECK: weights[NECK].copy(), bias: weights[bias].copy()}
    changed[NECK][3], changed[bias][0] = 0, 1e6
    write_rows(tmp_path / "odd.safetensors", changed)
    tensors = read_checkpoint(tmp_path / "odd.safetensors").tensors
    assert not tensors[NECK][3].any()
    np.testing.assert_array_equal(tensors[bias], changed[bias])


def test_a_model_runs_on_the_values_that_are_read(rows_file: Path, tmp_path: Path) -> None:
    same = tmp_path / "float32.safetensors"
    save_file(dict(read_checkpoint(rows_file).tensors), same)
    side = toy_architecture().image_size
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    first, second = (load_model(path, threads=1) for path in (rows_file, same))
    np.testing.assert_array_equal(first.encode(pixels), second.encode(pixels))
    assert first.digest == FileSource.of(rows_file).sha256


def test_info_says_how_the_values_are_stored(rows_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(rows_file), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["kind"] == "float checkpoint"
    assert sum(described["stored_values"].values()) == described["parameters"]


def _with(name: str, value: np.ndarray) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: value}


def _without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {other: tensor for other, tensor in tensors.items() if other != name}


def _edited(name: str, value: float) -> Callable[[Tensors], Tensors]:
    def edit(tensors: Tensors) -> Tensors:
        changed = tensors[name].copy()
        changed.flat[5] = value
        return tensors | {name: changed}

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without(SCALE), r"codes '.*neck.2.weight' of bad.safetensors have no scale for each row"),
        (_with(SCALE, np.ones(5, np.float32)), "have no scale for each row"),
        (_with(SCALE, np.ones(ROWS, np.float16)), "have no scale for each row"),
        (_with("image_encoder.neck.1.bias", np.ones(256, np.int8)), "have no scale for each row"),
        (_with("mask_decoder.iou_token.weight.row_scale", np.ones(1, np.float32)), "scales .* without codes"),
        (_edited(SCALE, 0), "not all positive numbers"),
        (_edited(SCALE, -1), "not all positive numbers"),
        (_edited(SCALE, np.nan), "not all positive numbers"),
        (_edited(SCALE, np.inf), "not all positive numbers"),
        (_edited(NECK, -128), "hold -128, which no row uses"),
        (_with("mask_decoder.iou_token.weight", np.ones((1, 256), np.int64)), "is I64, neither codes nor float"),
        (_edited(SCALE, 3e38), "has values that are not finite"),
    ],
)
def test_a_damaged_file_is_refused(
    rows_file: Path, tmp_path: Path, damage: Callable[[Tensors], Tensors], message: str
) -> None:
    path = saved(tmp_path / "bad.safetensors", damage(load_file(rows_file)))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_another_version_is_refused(rows_file: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "new.safetensors", load_file(rows_file), **{ROWS_KEY: "2"})
    with pytest.raises(CheckpointError, match=r"in version '2', this program reads version 1"):
        read_checkpoint(path)


@pytest.mark.parametrize("place", [-1, -5000])
def test_one_changed_bit_is_found(rows_file: Path, place: int) -> None:
    content = bytearray(rows_file.read_bytes())
    content[place] ^= 1
    rows_file.write_bytes(content)
    with pytest.raises(CheckpointError, match="bits of it have changed"):
        read_checkpoint(rows_file)


def test_codes_that_no_metadata_announces_are_read_by_their_scales(rows_file: Path, tmp_path: Path) -> None:
    save_file(load_file(rows_file), tmp_path / "plain.safetensors")
    read, before = read_checkpoint(tmp_path / "plain.safetensors").tensors, read_checkpoint(rows_file).tensors
    assert all(np.array_equal(read[name], before[name]) for name in before)


def test_the_packed_model_of_such_a_file_names_it(rows_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from dfqsam_core.quant import QuantConfig, quantize

    config = QuantConfig.from_recipe("fast", images=1, iterations=1)
    card = quantize(rows_file, tmp_path / "packed.safetensors", config, threads=1)["card"]
    assert card["source"] == FileSource.of(rows_file).to_dict()


@pytest.mark.parametrize("prefix", ["", "module.", "model._orig_mod."])
def test_codes_that_a_trainer_saved_again_are_read(rows_file: Path, tmp_path: Path, prefix: str) -> None:
    """They were refused as whole numbers, though their scales lay beside them."""
    torch = pytest.importorskip("torch")
    again = {prefix + name: torch.from_numpy(tensor) for name, tensor in load_file(rows_file).items()}
    torch.save({"epoch": 1, "state_dict": again}, tmp_path / "again.pth")
    read, before = read_checkpoint(tmp_path / "again.pth").tensors, read_checkpoint(rows_file).tensors
    assert set(read) == set(before)
    assert all(np.array_equal(read[name], before[name]) for name in before)


def test_codes_saved_again_without_their_scales_are_refused(rows_file: Path, tmp_path: Path) -> None:
    tensors = load_file(rows_file)
    del tensors[SCALE]
    save_file(tensors, tmp_path / "again.safetensors")
    with pytest.raises(CheckpointError, match=rf"{NECK}' of again.safetensors is int8, not a float tensor"):
        read_checkpoint(tmp_path / "again.safetensors")
