"""A toy network quantized in a moment, and its float original."""

from __future__ import annotations

import functools
from dataclasses import replace

import torch

from dfqsam_core.model import SamMed2D
from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.pipeline import pack
from dfqsam_core.store.checkpoint import Checkpoint
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.model_file import StoredModel

from .checkpoint_file import write_toy_checkpoint as toy_checkpoint_file
from .toy import random_tensors, toy_architecture

__all__ = ["quantized_toy", "toy_checkpoint", "toy_checkpoint_file", "toy_config", "toy_pixels"]


def toy_checkpoint(adapter_dim: int = 8, seed: int = 3) -> Checkpoint:
    architecture = toy_architecture(adapter_dim)
    return Checkpoint(architecture, random_tensors(architecture, seed), FileSource("toy.safetensors", "0" * 64, 1))


def toy_config(bits: int = 4, images: int = 2, iterations: int = 2, recipe: str = "fast") -> QuantConfig:
    """A recipe for toys. "fast" is not tuned, so that a part's own error can be seen; "default" is."""
    config = QuantConfig.from_recipe(recipe, bits=bits, images=images, iterations=iterations)
    steps = 0 if recipe == "fast" else config.calibration.tuning_steps
    return replace(
        config,
        synthesis=replace(config.synthesis, grid_points=2, jitter=3),
        calibration=replace(config.calibration, tuning_steps=steps),
    )


def toy_pixels(count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 64, 64, generator=torch.Generator().manual_seed(seed))


@functools.cache
def quantized_toy(bits: int = 4, adapter_dim: int = 8, recipe: str = "fast") -> tuple[SamMed2D, StoredModel]:
    """The calibrated network and the packed model it became."""
    checkpoint = toy_checkpoint(adapter_dim)
    model = SamMed2D.from_checkpoint(checkpoint)
    return model, pack(model, toy_pixels(), toy_config(bits, recipe=recipe), checkpoint.source)
