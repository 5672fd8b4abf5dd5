"""A twin is the same float function, with channel ranges as unequal as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dfqsam_core.evaluate.variants import changed
from dfqsam_core.model import SamMed2D
from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.pipeline import pack
from dfqsam_core.store.checkpoint import Checkpoint, read_checkpoint
from Testing.support.quantized import toy_checkpoint, toy_checkpoint_file
from tools import outlier_twin


def embedding(model: SamMed2D) -> torch.Tensor:
    size = model.architecture.image_size
    pixels = 255 * torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        return model.image_encoder(model.normalize(pixels))


def twin_of(checkpoint: Checkpoint, spread: float, seed: int = 0) -> Checkpoint:
    tensors = outlier_twin.make_twin(checkpoint, spread, seed)
    return Checkpoint(checkpoint.architecture, tensors, checkpoint.source)


@pytest.mark.parametrize("spread", [5, 20, 50])
@pytest.mark.parametrize("adapter_dim", [8, 0], ids=["adapters", "plain"])
def test_the_float_outputs_agree_and_the_spread_is_as_asked(spread: float, adapter_dim: int) -> None:
    original = toy_checkpoint(adapter_dim)
    twin = twin_of(original, spread)
    exact, same = (embedding(SamMed2D.from_checkpoint(checkpoint)) for checkpoint in (original, twin))
    assert float((same - exact).abs().max() / exact.abs().max()) < 1e-4
    measured = outlier_twin.spreads(twin)
    assert len(measured) == 4 * original.architecture.depth
    assert list(measured.values()) == pytest.approx([spread] * len(measured), rel=1e-3)


def test_the_original_is_easier() -> None:
    demo = read_checkpoint(Path(__file__).resolve().parents[3] / "Resources/Models/sam-med2d_demo.safetensors")
    assert max(outlier_twin.spreads(demo).values()) < 20


def test_the_same_seed_gives_the_same_twin_and_the_original_stays() -> None:
    original = toy_checkpoint()
    before = {name: tensor.copy() for name, tensor in original.tensors.items()}
    first, second, other = twin_of(original, 20), twin_of(original, 20), twin_of(original, 20, seed=1)
    assert all(np.array_equal(first.tensors[name], second.tensors[name]) for name in before)
    assert any(not np.array_equal(first.tensors[name], other.tensors[name]) for name in before)
    assert all(np.array_equal(original.tensors[name], before[name]) for name in before)


def test_ranges_spread_wider_already_are_left_alone() -> None:
    assert outlier_twin.factors(np.array([1.0, 1.0, 1.0, 30.0]), 20, np.ones(4)).tolist() == [1, 1, 1, 1]


def test_a_twin_costs_four_bits_more_than_its_original_without_equalization() -> None:
    original = toy_checkpoint()
    config = changed(QuantConfig.from_recipe("fast", images=1, iterations=0), {"calibration.equalization": False})
    errors = []
    for checkpoint in (original, twin_of(original, 50)):
        model = SamMed2D.from_checkpoint(checkpoint)
        exact = embedding(model)
        pack(model, outlier_twin.probe(64), config, checkpoint.source)
        errors.append(float((embedding(model) - exact).norm() / exact.norm()))
    assert errors[1] > 1.2 * errors[0]


def test_the_tool_writes_a_checkpoint_and_refuses_what_it_cannot_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, twin = toy_checkpoint_file(tmp_path), tmp_path / "twin.safetensors"
    assert outlier_twin.main([str(source), "--spread", "5", "--out", str(twin)]) == 0
    assert "norm1: largest over median channel range" in capsys.readouterr().out
    assert read_checkpoint(twin).architecture == read_checkpoint(source).architecture
    assert outlier_twin.main([str(source), "--out", str(twin)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert outlier_twin.main([str(tmp_path / "none"), "--out", str(tmp_path / "new.safetensors")]) == 2
    assert not (tmp_path / "new.safetensors").exists()
