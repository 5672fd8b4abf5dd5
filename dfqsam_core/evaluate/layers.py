"""The encoder's parts of a packed model, float against packed, on the slices of a laboratory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..runtime.preprocess import network_pixels
from ..store.checkpoint import read_checkpoint
from ..store.model_file import is_packed_model, read_model
from .laboratory import Laboratory

LAYER_SLICES = 8


def check_parts(model_path: str | os.PathLike, reference_path: str | os.PathLike) -> None:
    """Raise what `measure_layers` would: to know it before the long work."""
    if not is_packed_model(model_path) or is_packed_model(reference_path):
        raise ConfigError("Parts can be compared only of a packed model and its float checkpoint. Leave out --layers.")
    from ..quant import layer_noise  # noqa: F401 (needs torch)


def measure_layers(
    laboratory: Laboratory, model_path: str | os.PathLike, reference_path: str | os.PathLike
) -> list[dict[str, Any]]:
    """Return the rows of `quant.layer_noise` on at most eight slices, evenly spread over the laboratory's.

    Needs torch. Raises ConfigError unless the model is packed and the reference a float checkpoint of the same sizes.
    """
    check_parts(model_path, reference_path)
    from ..quant.layer_noise import layer_noise

    checkpoint = read_checkpoint(reference_path)
    slices = laboratory.slices
    chosen = np.unique(np.linspace(0, len(slices) - 1, LAYER_SLICES).round().astype(int))
    size = checkpoint.architecture.image_size
    images = np.stack([network_pixels(slices[index].image, size, "RGB") for index in chosen])
    return layer_noise(checkpoint, read_model(model_path), images)
