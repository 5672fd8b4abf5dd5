"""Checkpoints as trainers save them give the same tensors as the state dict alone, or the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.errors import CheckpointError
from dfqsam_core.store.checkpoint import Checkpoint, read_checkpoint
from Testing.support.toy import random_tensors, toy_architecture

torch = pytest.importorskip("torch")
WEIGHTS = random_tensors(toy_architecture(), 0)
TENSORS = {name: torch.from_numpy(tensor) for name, tensor in WEIGHTS.items()}


def prefixed(prefix: str, tensors: dict[str, Any] = TENSORS) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def in_the_middle(shell: str) -> dict[str, Any]:
    """The image encoder alone was compiled, or run in parallel."""
    return {name.replace("image_encoder.", f"image_encoder.{shell}"): tensor for name, tensor in TENSORS.items()}


def read(folder: Path, saved: Any) -> Checkpoint:
    torch.save(saved, folder / "c.pth")
    return read_checkpoint(folder / "c.pth")


@pytest.mark.parametrize(
    "saved",
    [
        {"epoch": 3, "model_state_dict": TENSORS, "optimizer_state_dict": {"lr": 1e-4}},
        {"model_state": TENSORS, "best": 0.9},
        {"network": TENSORS},
        {"anything": {"inside": TENSORS}, "history": [1, 2]},
        {"epoch": 1, "state_dict": prefixed("model.")},
        {"state_dict": prefixed("model.sam.")},
        prefixed("_orig_mod."),
        prefixed("module._orig_mod."),
        prefixed("_orig_mod.module."),
        prefixed("model.module._orig_mod."),
        prefixed("_fsdp_wrapped_module."),
        prefixed("sam_model."),
        in_the_middle("_orig_mod."),
        in_the_middle("module."),
    ],
)
def test_a_wrapper_changes_no_tensor(tmp_path: Path, saved: Any) -> None:
    checkpoint = read(tmp_path, saved)
    assert (set(checkpoint.tensors), checkpoint.notes) == (set(WEIGHTS), ())
    for name, tensor in WEIGHTS.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], tensor, err_msg=name)


def test_safetensors_may_have_prefixes_too(tmp_path: Path) -> None:
    save_file(prefixed("module._orig_mod.", WEIGHTS), tmp_path / "c.safetensors")
    assert set(read_checkpoint(tmp_path / "c.safetensors").tensors) == set(WEIGHTS)


def test_what_lies_beside_the_network_is_left_out_with_a_word(tmp_path: Path) -> None:
    checkpoint = read(tmp_path, {"state_dict": prefixed("model.") | {"loss.weight": torch.ones(3)}})
    assert set(checkpoint.tensors) == set(WEIGHTS)
    assert "'model.' are left out: 1, the first is ['loss.weight']" in checkpoint.notes[0]
    other = {name: tensor * 2 for name, tensor in TENSORS.items()}
    checkpoint = read(tmp_path, {"ema": other, "model": TENSORS})
    np.testing.assert_array_equal(checkpoint.tensors["image_encoder.pos_embed"], WEIGHTS["image_encoder.pos_embed"])
    assert "'model' is used, not 'ema'" in checkpoint.notes[0]


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        ({"student": TENSORS, "teacher": TENSORS | {}}, "several networks, 'student', 'teacher'"),
        (prefixed("student.") | prefixed("teacher."), "under the prefixes 'student.', 'teacher.'"),
        (TENSORS | prefixed("module."), "differ by a wrapper's prefix alone"),
        ({"epoch": 3, "weights": [1, 2]}, "not a float tensor"),
    ],
)
def test_several_networks_are_refused_with_the_way_out(tmp_path: Path, saved: Any, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read(tmp_path, saved)
