"""Smooth random fields, blurring and random deformations, for whole batches at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .randomness import Rng

SIZE = 256


def smooth_field(rng: Rng, count: int, cells: int) -> Tensor:
    """Gaussian noise on a grid of `cells` x `cells`, interpolated to (count, SIZE, SIZE) float32; variance about 1."""
    coarse = rng.normal(count, 1, cells + 2, cells + 2)
    return F.interpolate(coarse, (SIZE, SIZE), mode="bicubic", align_corners=False)[:, 0]


def octaves(rng: Rng, count: int, cells: tuple[int, ...]) -> Tensor:
    """Sum of smooth fields of several finenesses with random weights, (count, SIZE, SIZE), variance about 1."""
    weights = rng.uniform(count, len(cells)) ** 2 + 1e-3
    weights = weights / weights.norm(dim=1, keepdim=True)
    parts = [smooth_field(rng, count, c) * weights[:, i, None, None] for i, c in enumerate(cells)]
    return torch.stack(parts).sum(0)


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int = 8) -> Tensor:
    """Blur each image (B, H, W) with its own `sigma` (B,) in pixels; kernels are cut at `radius`."""
    offset = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offset / sigma.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
    count = len(images)
    padded = F.pad(images[None], (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel[:, :, None, :], groups=count)
    return F.conv2d(rows, kernel[:, :, :, None], groups=count)[0]


def deformed_grid(rng: Rng, count: int, rotation: float, shear: float, elastic: float) -> Tensor:
    """Canvas coordinates after a random in-plane deformation, (count, SIZE, SIZE, 2) as x, y; the canvas is [-1, 1].

    rotation: standard deviation in radians. shear: standard deviation of shear and of log aspect.
    elastic: largest mean displacement, in half canvases. A third of the images is mirrored.
    """
    line = (torch.arange(SIZE, device=rng.device) + 0.5) * (2 / SIZE) - 1
    base = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    angle = rng.normal(count, std=rotation)
    aspect, skew = torch.exp(rng.normal(count, std=shear)), rng.normal(count, std=shear)
    flip = 1.0 - 2.0 * rng.coin(count, chance=0.33).float()
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    stretch = torch.stack([torch.stack([aspect * flip, skew], -1), torch.stack([0 * skew, 1 / aspect], -1)], -2)
    grid = torch.einsum("hwj,bij->bhwi", base, turn @ stretch)
    strength = rng.uniform(count, 1, 1, high=elastic) * rng.coin(count, 1, 1, chance=0.7)
    bump = torch.stack([octaves(rng, count, (2, 4, 8)) * strength for _ in range(2)], -1)
    return grid + bump
