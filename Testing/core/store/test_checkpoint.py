"""Float checkpoints: what is read, what is changed on the way, what is refused."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from dfqsam_core.errors import CheckpointError
from dfqsam_core.store import checkpoint as checkpoint_module
from dfqsam_core.store.checkpoint import read_checkpoint
from Testing.support.toy import random_tensors, toy_architecture

Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def weights() -> Tensors:
    return random_tensors(toy_architecture(), 0)


@pytest.fixture(scope="module")
def toy_file(weights: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "toy.safetensors"
    save_file(weights, path)
    return path


def test_float32_weights_are_read_exactly(weights: Tensors, toy_file: Path) -> None:
    checkpoint = read_checkpoint(toy_file)
    assert (checkpoint.architecture, checkpoint.notes) == (toy_architecture(), ())
    assert set(checkpoint.tensors) == set(weights)
    for name, tensor in weights.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], tensor, err_msg=name, strict=True)


def test_the_source_names_the_file_without_its_folder(toy_file: Path) -> None:
    content = toy_file.read_bytes()
    source = read_checkpoint(toy_file).source
    assert source.to_dict() == {
        "file_name": "toy.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def test_half_precision_becomes_float32(weights: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({name: tensor.astype(np.float16) for name, tensor in weights.items()}, path)
    tensors = read_checkpoint(path).tensors
    for name, tensor in weights.items():
        np.testing.assert_array_equal(tensors[name], tensor.astype(np.float16).astype(np.float32), strict=True)


def test_the_trained_compact_model_is_read(shared: Path) -> None:
    checkpoint = read_checkpoint(shared / "models" / "sam-med2d_t.safetensors")
    assert checkpoint.architecture.name == "compact SAM-Med2D 192x12 with adapters"
    assert len(checkpoint.tensors) == 386
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {np.dtype("float32")}


def test_changing_a_tensor_never_changes_the_file(weights: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    save_file(weights, path)
    before = path.read_bytes()
    read_checkpoint(path).tensors["image_encoder.pos_embed"][:] = 7
    assert path.read_bytes() == before


def test_reading_float32_needs_no_copy_and_half_precision_one(weights: Tensors, toy_file: Path, tmp_path: Path) -> None:
    half_file = tmp_path / "half.safetensors"
    save_file({name: tensor.astype(np.float16) for name, tensor in weights.items()}, half_file)
    size = sum(tensor.nbytes for tensor in weights.values())
    for path, limit in ((toy_file, 0.2), (half_file, 1.3)):
        tracemalloc.start()
        checkpoint = read_checkpoint(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(checkpoint.tensors) == len(weights)
        assert peak < limit * size


def test_a_prefix_of_parallel_training_and_pixel_statistics_are_left_out(weights: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "parallel.safetensors"
    pixels = {"module.pixel_mean": np.zeros((3, 1, 1), np.float32), "module.pixel_std": np.ones((3, 1, 1), np.float32)}
    save_file({f"module.{name}": tensor for name, tensor in weights.items()} | pixels, path)
    assert set(read_checkpoint(path).tensors) == set(weights)


def test_a_1024_pixel_sam_becomes_a_256_pixel_one_by_sam_med2ds_rules(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    sam = replace(toy_architecture(adapter_dim=0), image_size=1024)
    stock = random_tensors(sam, 0)
    path = tmp_path / "sam.safetensors"
    save_file(stock, path)
    checkpoint = read_checkpoint(path, "sam-med2d")
    assert checkpoint.architecture == replace(sam, image_size=256)
    assert checkpoint.notes == ("Position tables resized linearly from 1024-pixel to 256-pixel images.",)

    position = torch.from_numpy(stock["image_encoder.pos_embed"]).permute(0, 3, 1, 2)
    position = torch.nn.functional.interpolate(position, (16, 16), mode="bilinear").permute(0, 2, 3, 1)
    np.testing.assert_allclose(checkpoint.tensors["image_encoder.pos_embed"], position.numpy(), atol=1e-6)
    table = torch.from_numpy(stock["image_encoder.blocks.2.attn.rel_pos_w"]).T[None]
    table = torch.nn.functional.interpolate(table, 31, mode="linear")[0].T
    np.testing.assert_allclose(checkpoint.tensors["image_encoder.blocks.2.attn.rel_pos_w"], table.numpy(), atol=1e-5)
    windowed = "image_encoder.blocks.0.attn.rel_pos_w"
    np.testing.assert_array_equal(checkpoint.tensors[windowed], stock[windowed])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(weights: Tensors, tmp_path: Path, value: float) -> None:
    bias = weights["image_encoder.blocks.1.attn.qkv.bias"].copy()
    bias[5] = value
    path = tmp_path / "broken.safetensors"
    save_file({**weights, "image_encoder.blocks.1.attn.qkv.bias": bias}, path)
    with pytest.raises(CheckpointError, match=r"'image_encoder.blocks.1.attn.qkv.bias' has values that are not finite"):
        read_checkpoint(path)


def test_missing_adapters_in_one_block_are_refused(weights: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "partial.safetensors"
    save_file({name: tensor for name, tensor in weights.items() if ".blocks.2.Adapter." not in name}, path)
    with pytest.raises(CheckpointError, match=r"6 tensors are missing: 'image_encoder.blocks.2.Adapter.norm.weight'"):
        read_checkpoint(path)


def test_integer_weights_are_refused(weights: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "integers.safetensors"
    save_file({**weights, "mask_decoder.iou_token.weight": np.zeros((1, 256), np.int64)}, path)
    with pytest.raises(
        CheckpointError, match=r"'mask_decoder.iou_token.weight' of integers.safetensors is I64, not a fl"
    ):
        read_checkpoint(path)


def test_another_network_is_refused(shared: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"not a SAM-Med2D or SAM checkpoint: 'image_encoder.pos_embed' is missing"
    ):
        read_checkpoint(shared / "models" / "mobilesam.safetensors")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file is empty"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a pickle of an old torch .* is not opened"),
        (b"PK\x03\x04 and then nothing", "is truncated or damaged"),
        (b"\x1f\x8b\x08\0", "is a gzip file, perhaps a NIfTI volume, not a checkpoint"),
        (b"<html>", "perhaps the page of a failed download"),
        (b"hello", "is a text file, not a checkpoint"),
        (b"\x00\x01\x02\xff", "is a file of an unknown kind"),
        (b"\x00" * 128 + b"DICM", "is a DICOM file"),
    ],
    ids=["empty", "legacy", "cut", "gzip", "html", "text", "binary", "dicom"],
)
def test_other_files_are_named_and_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(tmp_path / "missing.pth")


def test_a_truncated_file_is_refused(toy_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(toy_file.read_bytes()[:-1])
    with pytest.raises(
        CheckpointError, match=r"cut.safetensors is truncated: tensor .* ends behind the end of the file"
    ):
        read_checkpoint(path)


def test_the_module_knows_no_torch() -> None:
    assert not hasattr(checkpoint_module, "torch")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=600), start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x20\0\0\0\0\0\0\0{"])
)
def test_any_bytes_end_in_a_sentence(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(start + content)
    with pytest.raises(CheckpointError, match=r"\.$"):
        read_checkpoint(path)
