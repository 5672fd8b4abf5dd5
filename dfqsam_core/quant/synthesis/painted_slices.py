"""Painted starts of synthetic images: what a slice of a scan has in common with every other, and no scan was looked at.

A calibration image has to show what activations come from: even tissue, and bodies with edges on an empty ground.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Cells a side of the smooth fields that textures are added up from, and their weights.
_SCALES = ((4, 0.5), (8, 0.3), (16, 0.15), (32, 0.08), (64, 0.04))


@dataclass(frozen=True)
class Draw:
    """Random numbers of one image."""

    generator: torch.Generator

    def uniform(self, low: float, high: float) -> float:
        """A number of [low, high)."""
        return float(torch.rand((), generator=self.generator)) * (high - low) + low

    def whole(self, low: int, high: int) -> int:
        """A whole number of low..high."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def sign(self) -> int:
        """1 or -1."""
        return 1 if float(torch.rand((), generator=self.generator)) < 0.5 else -1

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator)


def star_shape(size: int, draw: Draw) -> Tensor:
    """A star-shaped blob of 0.3 to 8 % of the image and of one pixel at least, bool (size, size)."""
    area = float(np.exp(draw.uniform(np.log(0.003), np.log(0.08)))) * size * size
    stretch, turn, power = draw.uniform(1.0, 2.2), draw.uniform(0, np.pi), draw.uniform(1.6, 4.0)
    centre_x, centre_y = draw.uniform(0.25, 0.75) * size, draw.uniform(0.25, 0.75) * size
    y, x = torch.meshgrid(torch.arange(size) - centre_y, torch.arange(size) - centre_x, indexing="ij")
    radius = (area / np.pi) ** 0.5
    axes = radius * stretch**0.5, radius / stretch**0.5
    reach = _reach(x, y, turn, axes, power, {k: 0.25 / k for k in (2, 3, 5)}, draw)
    # 0.3 % of a tiny image may lie between its pixels.
    return (reach < 1) | (reach == reach.min())


def tissue(size: int, blobs: Iterable[Tensor], draw: Draw) -> Tensor:
    """Smooth fields of several scales everywhere, with the blobs a little brighter or darker; (size, size) in 0..1."""
    field = _field(size, draw)
    for blob in blobs:
        offset = draw.uniform(0.15, 0.65)
        field[blob] += draw.sign() * offset
    return (0.45 + 0.35 * field / field.std()).clamp(0, 1)


def body(size: int, blobs: Iterable[Tensor], draw: Draw) -> Tensor:
    """A body with a wall and organs on an empty ground, the blobs among them; (size, size) in 0..1.

    Blur, noise and contrast differ from image to image, as they do between scanners and windows.
    """
    reach = _outline(size, draw)
    image = draw.uniform(0.2, 0.6) + draw.uniform(0.02, 0.12) * _texture(size, draw)
    for _ in range(draw.whole(3, 12)):
        organ = star_shape(size, draw)
        image = torch.where(organ, draw.uniform(0, 1) + draw.uniform(0, 0.06) * _texture(size, draw), image)
    wall = (reach < 1) & (reach > draw.uniform(0.82, 0.96))
    image[wall] = draw.uniform(0.05, 1)
    for blob in blobs:
        grey = image[blob].mean() + draw.sign() * draw.uniform(0.1, 0.5)
        image = torch.where(blob, grey + draw.uniform(0, 0.06) * _texture(size, draw), image)
    ground = draw.uniform(0, 0.15) if draw.uniform(0, 1) > 0.7 else 0.0
    image[reach >= 1] = ground
    if draw.uniform(0, 1) < 0.7:
        image = _blurred(image, draw.uniform(0.5, 1.6))
    # Where there is nothing, a scanner is noisy, too, but less so once a window has cut it off.
    noise = draw.uniform(0, 0.05) * draw.normal(size, size)
    image = image + torch.where(image > 0.03, noise, 0.3 * noise)
    return image.clamp(0, 1) ** draw.uniform(0.7, 1.4)


def _outline(size: int, draw: Draw) -> Tensor:
    """How far each pixel lies from the middle of a body, whose skin is at 1; (size, size)."""
    places = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(places - draw.uniform(-0.12, 0.12), places - draw.uniform(-0.12, 0.12), indexing="ij")
    upright = draw.uniform(0, 1) < 0.3
    turn, stretch = draw.uniform(-0.3, 0.3) + (np.pi / 2 if upright else 0), draw.uniform(1.0, 1.5)
    radius, power = draw.uniform(0.62, 1.0), draw.uniform(2.0, 3.2)
    axes = radius * stretch**0.3, radius / stretch**0.5
    return _reach(x, y, turn, axes, power, {k: 0.12 / k for k in (2, 3, 4, 5)}, draw)


def _reach(
    x: Tensor, y: Tensor, turn: float, axes: tuple[float, float], power: float, waves: dict[int, float], draw: Draw
) -> Tensor:
    """Distance from the centre as a share of the way to a wavy superellipse; x, y: from its centre.

    waves: largest amplitude by the number of waves around the outline.
    """
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    angle = torch.atan2(across, along)
    wave = 1 + sum(draw.uniform(0, high) * torch.cos(k * angle + draw.uniform(0, 6.28)) for k, high in waves.items())
    return ((along.abs() / axes[0]) ** power + (across.abs() / axes[1]) ** power) ** (1 / power) / wave


def _field(size: int, draw: Draw) -> Tensor:
    """Smooth random fields of several scales, added up; (size, size)."""
    field = torch.zeros(1, 1, size, size)
    for cells, strength in _SCALES:
        coarse = draw.normal(1, 1, cells, cells)
        field += strength * F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    return field[0, 0]


def _texture(size: int, draw: Draw) -> Tensor:
    """A smooth field of unit deviation."""
    field = _field(size, draw)
    return field / field.std()


def _blurred(image: Tensor, deviation: float) -> Tensor:
    """The image after a Gaussian of so many pixels."""
    kernel = torch.exp(-(torch.arange(-4.0, 5.0) ** 2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    rows = F.conv2d(image[None, None], kernel, padding=(0, 4))
    return F.conv2d(rows, kernel.transpose(2, 3), padding=(4, 0))[0, 0]
