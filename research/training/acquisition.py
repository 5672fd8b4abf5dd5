"""What scanners, windows and resizing do to an image: bias, blur, noise, few voxels, contrast."""

from __future__ import annotations

import torch
from torch import Tensor

from .fields import SIZE, gaussian_blur, octaves
from .randomness import Rng


def acquire(rng: Rng, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Turn ideal images into pixels.

    image: (B, H, W) float, about 0..1. labels: (B, C, H, W) uint8, moved along where voxels become coarse.
    Returns pixels (B, H, W) float32 with whole values 0..255, and the labels.
    """
    count = len(image)
    image = gaussian_blur(image, rng.uniform(count, high=1.4) * rng.coin(count, chance=0.8))
    shade = octaves(rng, count, (1, 2, 4)) * rng.uniform(count, 1, 1, high=0.35) * rng.coin(count, 1, 1, chance=0.35)
    image = add_noise(rng, image * torch.exp(shade))
    image, labels = coarse_voxels(rng, image, labels)
    image = image + rng.normal(*image.shape) * rng.uniform(count, 1, 1, high=0.03) * rng.coin(count, 1, 1, chance=0.3)
    image = image.clamp(0, 1) ** torch.exp(rng.normal(count, 1, 1, std=0.25))
    gain, lift = rng.uniform(count, 1, 1, low=0.7, high=1.3), rng.uniform(count, 1, 1, low=-0.12, high=0.12)
    touched = rng.coin(count, 1, 1, chance=0.4)
    image = torch.where(touched, image * gain + lift, image)
    image = torch.where(rng.coin(count, 1, 1, chance=0.04), 1 - image, image)
    return (image.clamp(0, 1) * 255).round(), labels


def add_noise(rng: Rng, image: Tensor) -> Tensor:
    """White, correlated or Rician noise of random strength; a quarter of the images stays clean."""
    count = len(image)
    strength = rng.uniform(count, 1, 1, high=1.0) ** 2 * 0.14 * rng.coin(count, 1, 1, chance=0.75)
    white = rng.normal(*image.shape)
    width = rng.uniform(count, low=0.4, high=1.5)
    soft = gaussian_blur(white, width)
    soft = soft / soft.flatten(1).std(1)[:, None, None]
    noise = torch.where(rng.coin(count, 1, 1, chance=0.5), white, soft) * strength
    rician = torch.sqrt((image + noise) ** 2 + (rng.normal(*image.shape) * strength) ** 2 + 1e-12)
    return torch.where(rng.coin(count, 1, 1, chance=0.3), rician, image + noise)


def coarse_voxels(rng: Rng, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """See the image through fewer voxels: blocky (nearest, SAM-Med2D's resizing), smooth (linear), or not at all.

    Labels become blocky with it in most cases, as those of a segmentation made at low resolution are.
    """
    count = len(image)
    voxels = rng.log_uniform(count, 2, low=80, high=320)
    kind = rng.uniform(count)
    voxels = torch.where((kind < 0.2)[:, None], float(SIZE), voxels)
    blocky = (kind > 0.6)[:, None, None]
    step = SIZE / voxels
    blurred = gaussian_blur(image, 0.35 * (step.mean(1) - 0.8).clamp(min=0))
    columns, rows = _resampling(voxels, blocky).unbind(1)
    follow = (rng.coin(count, chance=0.7) & (kind >= 0.2))[:, None, None]
    voxel, _ = _voxel_position(voxels, torch.ones_like(blocky))
    pixel = torch.arange(SIZE, device=image.device)
    x, y = torch.where(follow, _pixel_of(voxel, step), pixel).unbind(1)
    moved = labels.gather(2, y[:, None, :, None].expand_as(labels)).gather(3, x[:, None, None].expand_as(labels))
    return rows @ blurred @ columns.transpose(1, 2), moved


def _resampling(voxels: Tensor, blocky: Tensor) -> Tensor:
    """Matrices (B, 2, SIZE, SIZE) for x and y from pixels to pixels seen through `voxels` (B, 2) to a side."""
    low, weight = _voxel_position(voxels, blocky)
    step = SIZE / voxels
    line = torch.arange(SIZE, device=voxels.device)
    below, above = (_pixel_of(low + side, step)[..., None] == line for side in (0, 1))
    return below * (1 - weight)[..., None] + above * weight[..., None]


def _voxel_position(voxels: Tensor, blocky: Tensor) -> tuple[Tensor, Tensor]:
    """Lower voxel index and linear weight (B, 2, SIZE) of each pixel; blocky images have the weight 0."""
    pixel = torch.arange(SIZE, device=voxels.device, dtype=torch.float32)
    ratio = (voxels / SIZE)[..., None]
    position = torch.where(blocky, pixel * ratio + 1e-4, (pixel + 0.5) * ratio - 0.5)
    low = position.floor()
    return low, torch.where(blocky, torch.zeros_like(low), position - low)


def _pixel_of(voxel: Tensor, step: Tensor) -> Tensor:
    """The pixel (B, 2, SIZE) int64 in which the centre of each voxel lies."""
    return ((voxel + 0.5) * step[..., None]).floor().long().clamp(0, SIZE - 1)


def random_curve(rng: Rng, image: Tensor, chance: float) -> Tensor:
    """Send intensities 0..1 through a random curve with six knots: mostly rising, sometimes not; else unchanged."""
    count, knots = len(image), 6
    straight = torch.linspace(0, 1, knots, device=image.device)
    rising = rng.uniform(count, knots).sort(1).values
    wild = torch.where(rng.coin(count, 1, chance=0.6), rising, rng.uniform(count, knots))
    curve = torch.where(rng.coin(count, 1, chance=chance), wild, straight.expand(count, -1))
    place = image.clamp(0, 1).flatten(1) * (knots - 1)
    low = place.floor().clamp(max=knots - 2)
    left, right = (torch.gather(curve, 1, low.long() + side) for side in (0, 1))
    return (left + (right - left) * (place - low)).unflatten(1, image.shape[1:])
