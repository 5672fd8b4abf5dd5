"""A network small enough for every test: three blocks, window 3 on a 4 x 4 grid, adapters, 64-pixel images."""

from __future__ import annotations

from dataclasses import replace

from dfqsam_core.network.architecture import Architecture
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES, random_tensors

__all__ = ["random_tensors", "toy_architecture"]


def toy_architecture(adapter_dim: int = 8) -> Architecture:
    """Two heads of 16, the last block global; `adapter_dim` 0 leaves the adapters out."""
    return replace(NAMED_ARCHITECTURES["toy"], adapter_dim=adapter_dim)
