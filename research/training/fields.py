"""Smooth random fields, blurring and random deformations, for whole batches at once.

Everything is a product with a small matrix per axis: two tensor-core products replace dozens of small kernels.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from .randomness import Rng

SIZE = 256


def octaves(rng: Rng, count: int, cells: tuple[int, ...]) -> Tensor:
    """Sum of smooth fields of several finenesses with random weights, (count, SIZE, SIZE), variance about 1.

    cells: side of the grid of Gaussian noise behind each field, which is interpolated by cubic splines.
    """
    matrix, owner = _spline_matrix(cells, rng.device)
    weights = rng.uniform(count, len(cells)) ** 2 + 1e-3
    weights = weights / weights.norm(dim=1, keepdim=True)
    # One square of noise whose diagonal blocks are the grids: both axes of every octave in one product.
    same = owner[:, None] == owner
    coarse = rng.normal(count, len(owner), len(owner)) * (same * weights[:, owner, None])
    return matrix @ coarse @ matrix.T


@functools.cache
def _spline_matrix(cells: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Cubic interpolation from all grids side by side, (SIZE, K), and the number of the grid of each column (K,)."""
    lines = []
    for side in (count + 2 for count in cells):
        unit = torch.eye(side)[:, None, :, None]
        lines.append(F.interpolate(unit, (SIZE, 1), mode="bicubic", align_corners=False)[:, 0, :, 0].T)
    owner = torch.repeat_interleave(torch.arange(len(cells)), torch.tensor([line.shape[1] for line in lines]))
    return torch.cat(lines, 1).to(device), owner.to(device)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image (B, SIZE, SIZE) with its own `sigma` (B,) in pixels; weights are renormalised at the edges."""
    kernel = (_squared_distance(images.device) * (-0.5 / sigma.clamp(min=0.05) ** 2)[:, None, None]).softmax(-1)
    return kernel @ images @ kernel.transpose(1, 2)


@functools.cache
def _squared_distance(device: torch.device) -> Tensor:
    line = torch.arange(SIZE, device=device, dtype=torch.float32)
    return (line[:, None] - line) ** 2


def deformed_grid(rng: Rng, rotation: Tensor, shear: Tensor, elastic: Tensor) -> Tensor:
    """Canvas coordinates after random in-plane deformations, (B, SIZE, SIZE, 2) as x, y; the canvas is [-1, 1].

    rotation (B,): standard deviation in radians. shear (B,): standard deviation of shear and of log aspect.
    elastic (B,): largest mean displacement, in half canvases. A third of the images is mirrored.
    """
    count = len(rotation)
    angle = rng.normal(count) * rotation
    aspect, skew = torch.exp(rng.normal(count) * shear), rng.normal(count) * shear
    flip = 1.0 - 2.0 * rng.coin(count, chance=0.33).float()
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    stretch = torch.stack([torch.stack([aspect * flip, skew], -1), torch.stack([0 * skew, 1 / aspect], -1)], -2)
    grid = torch.einsum("hwj,bij->bhwi", _canvas(rng.device), turn @ stretch)
    strength = rng.uniform(count, 1, 1) * rng.coin(count, 1, 1, chance=0.7) * elastic[:, None, None]
    return grid + torch.stack([octaves(rng, count, (2, 4, 8)) * strength for _ in range(2)], -1)


@functools.cache
def _canvas(device: torch.device) -> Tensor:
    line = (torch.arange(SIZE, device=device) + 0.5) * (2 / SIZE) - 1
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
