"""Signal to noise of a packed network's parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dfqsam_core.errors import ConfigError
from dfqsam_core.evaluate.layer_noise import decibels, layer_noise
from Testing.support.quantized import quantized_toy, toy_checkpoint

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)


def test_decibels_of_known_noise() -> None:
    signal = torch.tensor([3.0, 4.0])
    assert decibels(signal, signal + torch.tensor([0.3, 0.4])) == pytest.approx(20, abs=1e-5)
    assert decibels(signal, signal) == math.inf


def test_every_part_in_order_and_more_bits_are_better_everywhere() -> None:
    four, eight = (layer_noise(toy_checkpoint(), quantized_toy(bits)[1], IMAGES) for bits in (4, 8))
    names = [row["name"] for row in four]
    block = ["attn", "mlp.lin1", "mlp", "Adapter.channel", "Adapter"]
    inside = [f"blocks.{index}{part}" for index in range(3) for part in (*(f".{name}" for name in block), "")]
    assert names == ["patch_embed", *inside, "neck.0", "neck"]
    assert all(better["own"] > worse["own"] for worse, better in zip(four, eight, strict=True))
    assert eight[-1]["sum"] > four[-1]["sum"] + 6


def test_nothing_is_added_up_before_the_first_part() -> None:
    first = layer_noise(toy_checkpoint(), quantized_toy()[1], IMAGES)[0]
    assert first["own"] == first["sum"]


def test_another_architecture_is_refused() -> None:
    with pytest.raises(ConfigError, match="made from"):
        layer_noise(toy_checkpoint(adapter_dim=0), quantized_toy()[1], IMAGES)


def test_without_adapters_there_are_no_rows_of_theirs() -> None:
    rows = layer_noise(toy_checkpoint(adapter_dim=0), quantized_toy(adapter_dim=0)[1], IMAGES)
    assert not [row for row in rows if "Adapter" in row["name"]]
    assert toy_checkpoint(0).architecture.depth == sum(row["name"].endswith(".attn") for row in rows)
