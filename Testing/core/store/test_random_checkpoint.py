"""The tool that writes checkpoints with random weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES, random_tensors

TOOL = Path(__file__).resolve().parents[3] / "tools" / "make_random_checkpoint.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False)


def test_a_written_checkpoint_is_the_named_network_and_says_that_it_is_random(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    result = run("--size", "toy", "-o", str(path), "--seed", "3")
    assert (result.returncode, result.stderr) == (0, "")
    checkpoint = read_checkpoint(path)
    assert checkpoint.architecture == NAMED_ARCHITECTURES["toy"]
    expected = random_tensors(checkpoint.architecture, 3)
    np.testing.assert_array_equal(checkpoint.tensors["image_encoder.pos_embed"], expected["image_encoder.pos_embed"])
    with safe_open(path, "numpy") as file:
        assert file.metadata()["description"].startswith("random weights, compact SAM-Med2D 32x3 with adapters, seed 3")


def test_half_precision_without_adapters(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    assert run("--size", "toy", "-o", str(path), "--float16", "--no-adapters").returncode == 0
    with safe_open(path, "numpy") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {np.dtype("float16")}  # noqa: SIM118
    assert not read_checkpoint(path).architecture.has_adapters


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    path.write_text("precious")
    result = run("--size", "toy", "-o", str(path))
    assert (result.returncode, path.read_text()) == (2, "precious")
    assert "exists already" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["image_encoder.blocks.0.mlp.lin2", "image_encoder.blocks.0.Adapter.spatial.2"])
def test_weights_keep_the_size_of_signals(name: str) -> None:
    weight = random_tensors(NAMED_ARCHITECTURES["toy"], 0)[f"{name}.weight"]
    taps = 4 if weight.ndim == 4 else 1
    fan_in = (weight.shape[0] if weight.ndim == 4 else weight.shape[1]) * taps
    assert np.square(weight).mean() * fan_in == pytest.approx(1, rel=0.2)


def test_seeds_differ_and_repeat() -> None:
    first, again, other = (random_tensors(NAMED_ARCHITECTURES["toy"], seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)
