"""Weights of a seeded random network, for tests and timings that need no trained file."""

from __future__ import annotations

import math

import numpy as np

from ..network.architecture import Architecture, Shape
from ..network.tensor_shapes import expected_shapes

# "toy" is small enough for any test and yet has windows, padding tokens, a global block and adapters.
NAMED_ARCHITECTURES = {
    "vit_b": Architecture(768, 12, 12, 3072, 192),
    "vit_l": Architecture(1024, 24, 16, 4096, 256, global_attn_indexes=(5, 11, 17, 23)),
    "compact": Architecture(192, 12, 3, 768, 48),
    "toy": Architecture(32, 3, 2, 64, 8, window_size=3, global_attn_indexes=(2,), image_size=64),
}


def random_tensors(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """Draw every tensor of `architecture`, float32; the same seed gives the same values.

    Weights are normal with standard deviation 1 / sqrt(fan in), cut at two deviations, so that signals keep their size.
    Scales of norms are near 1; biases, tables and embeddings are near 0 but not 0, so that no term can be
    forgotten unnoticed.
    """
    generator = np.random.default_rng(seed)
    return {name: _draw(generator, name, shape) for name, shape in expected_shapes(architecture).items()}


def _draw(generator: np.random.Generator, name: str, shape: Shape) -> np.ndarray:
    values = generator.standard_normal(shape, np.float32)
    np.clip(values, -2, 2, out=values)
    if name.endswith("gaussian_matrix"):
        return values
    if len(shape) == 1 and name.endswith(".weight"):
        values *= np.float32(0.1)
        values += np.float32(1)
        return values
    values *= np.float32(_deviation(name, shape))
    return values


def _deviation(name: str, shape: Shape) -> float:
    is_table = "rel_pos" in name or ("embed" in name and not name.endswith("patch_embed.proj.weight"))
    if is_table or len(shape) == 1:
        return 0.1
    transposed = ".Adapter.spatial.2." in name or ".output_upscaling." in name
    # An output pixel of a ConvTranspose2d of stride 2 sees a quarter of the kernel.
    fan_in = shape[0] * math.prod(shape[2:]) / 4 if transposed else math.prod(shape[1:])
    return 1 / math.sqrt(fan_in)
