"""Random appearance for label maps: a mean, textures and a slope per label (SynthSeg, section 3.1, with textures)."""

from __future__ import annotations

import torch
from torch import Tensor

from .fields import SIZE, gaussian_blur, octaves
from .randomness import Rng

LABELS = 256
TEXTURES = 4


def paint(rng: Rng, labels: Tensor) -> Tensor:
    """Draw an image for each label map.

    labels: (B, SIZE, SIZE) whole numbers 0..255. Returns (B, SIZE, SIZE) float32, mostly 0..1.
    """
    count = len(labels)
    flat = labels.flatten(1).long()
    image = _per_label(_means(rng, count), flat)
    for texture in _textures(rng, count):
        strength = rng.uniform(count, LABELS, high=1.0) ** 2 * rng.coin(count, LABELS, chance=0.6)
        image = image + texture * _per_label(strength * rng.uniform(count, 1, high=0.12), flat)
    ramp = torch.linspace(-1, 1, SIZE, device=rng.device)
    slope = [_per_label(rng.normal(count, LABELS, std=0.06), flat) for _ in range(2)]
    return image + slope[0] * ramp[None, :] + slope[1] * ramp[:, None]


def _per_label(table: Tensor, flat: Tensor) -> Tensor:
    return torch.gather(table, 1, flat).unflatten(1, (SIZE, SIZE))


def _means(rng: Rng, count: int) -> Tensor:
    """CT-like images crowd soft tissues together and add some bone and air; MR-like ones use the whole range."""
    spread = rng.uniform(count, 1, low=0.04, high=0.2)
    crowded = rng.uniform(count, 1, low=0.3, high=0.7) + rng.normal(count, LABELS) * spread
    extreme = rng.uniform(count, LABELS)
    crowded = torch.where(extreme < 0.1, rng.uniform(count, LABELS, low=0.75, high=1.0), crowded)
    crowded = torch.where(extreme > 0.92, rng.uniform(count, LABELS, high=0.15), crowded)
    means = torch.where(rng.coin(count, 1, chance=0.55), crowded, rng.uniform(count, LABELS, low=0.05, high=1.0))
    dark = rng.coin(count, chance=0.8)
    means[:, 0] = torch.where(dark, rng.uniform(count, high=0.08), means[:, 0])
    return means.clamp(0, 1)


def _textures(rng: Rng, count: int) -> list[Tensor]:
    grain = gaussian_blur(rng.normal(count, SIZE, SIZE), rng.uniform(count, low=0.5, high=2.0))
    grain = grain / grain.flatten(1).std(1)[:, None, None]
    stripes = torch.sin(octaves(rng, count, (2, 3)) * rng.uniform(count, 1, 1, low=8.0, high=40.0))
    return [grain, octaves(rng, count, (40,)), octaves(rng, count, (6, 12, 24)), 0.5 * stripes]
