"""Random numbers that depend on the seed and the step alone, so that a killed training goes on bit for bit."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor


class Rng:
    """Draws on one device from a key such as (seed, step); `host` is the same key's generator for Python's choices."""

    def __init__(self, device: torch.device | str, *key: int) -> None:
        self.device = torch.device(device)
        state = np.random.SeedSequence(key).generate_state(2, np.uint32)
        self.host = np.random.default_rng(state)
        self._generator = torch.Generator(self.device).manual_seed(int(state[0]) << 16 ^ int(state[1]))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Float32 tensor of `shape`, uniform in [low, high)."""
        return torch.rand(shape, generator=self._generator, device=self.device) * (high - low) + low

    def log_uniform(self, *shape: int, low: float, high: float) -> Tensor:
        """Float32 tensor whose logarithm is uniform between those of `low` and `high` (both positive)."""
        return self.uniform(*shape, low=math.log(low), high=math.log(high)).exp()

    def normal(self, *shape: int, std: float = 1.0) -> Tensor:
        """Float32 tensor of `shape`, Gaussian with mean 0."""
        return torch.randn(shape, generator=self._generator, device=self.device) * std

    def coin(self, *shape: int, chance: float) -> Tensor:
        """Bool tensor of `shape`, true with probability `chance`."""
        return self.uniform(*shape) < chance

    def integers(self, *shape: int, below: int) -> Tensor:
        """Int64 tensor of `shape`, uniform in 0..below - 1."""
        return torch.randint(below, shape, generator=self._generator, device=self.device)

    def some(self, count: int, share: float) -> Tensor:
        """Which of `count` items, int64 indices, make up `share` of them, rounded."""
        return self.uniform(count).argsort()[: round(count * share)]

    def gumbel(self, *shape: int) -> Tensor:
        """Gumbel noise: argmax(log_weight + gumbel) draws an index with probability proportional to its weight."""
        return -torch.log(-torch.log(self.uniform(*shape).clamp(1e-9, 1 - 1e-7)))

    def split(self, count: int, weights: tuple[float, ...]) -> list[int]:
        """How many of `count` items fall to each of `weights`, as even as whole numbers allow, the rest drawn."""
        share = np.asarray(weights, float) / sum(weights) * count
        parts = np.floor(share).astype(int)
        rest = share - parts
        for _ in range(count - int(parts.sum())):
            parts[self.host.choice(len(rest), p=rest / rest.sum())] += 1
        return [int(part) for part in parts]


@functools.cache
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A small tensor of `values` on the device, copied there once: every later copy would make the host wait."""
    return torch.tensor(values, device=device)
