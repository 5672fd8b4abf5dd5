"""Procedural anatomies: label maps of bodies with organs, vessels, walls, packed neighbours and folded tissue.

The idea that a network trained on random label maps with random appearance generalises to real scans is SynthSeg's
(Billot et al. 2023); the shapes here are implicit functions, painted one after another for a whole batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .fields import octaves
from .randomness import Rng, constant

ORGANS = 26
LESIONS = 8
BODY, SKIN = 1, 62


@dataclass(frozen=True)
class Shapes:
    """N bent, wobbly ellipses an image, lengths in half canvases.

    along, across: (B, N, 3), constant, x and y coefficient of the coordinate along each axis, in radii.
    bend: (B, N), how far the ends of the first axis are bent. ripple: (B, N, 3) complex, twofold to fourfold modulation
    of the border, strength and phase. inner: (B, N), a core of its own label fills the part below this value of the
    implicit function (0: no core).
    """

    along: Tensor
    across: Tensor
    bend: Tensor
    ripple: Tensor
    inner: Tensor


def draw_shapes(rng: Rng, count: int, shapes: int) -> Shapes:
    """Shapes of many sizes; half of them touch an earlier one, a sixth are long and thin, the last third is small."""
    n = (count, shapes)
    radius = rng.log_uniform(*n, low=0.03, high=0.5)
    radius[:, _large(shapes) :] = rng.log_uniform(count, shapes - _large(shapes), low=0.02, high=0.12)
    tube = rng.coin(*n, chance=0.16)
    aspect = torch.where(tube, rng.uniform(*n, low=2.5, high=9.0), rng.log_uniform(*n, low=1.0, high=2.2)).sqrt()
    centre = _centres(rng, radius)
    angle = rng.uniform(*n, high=3.15)
    towards = torch.stack([torch.cos(angle), torch.sin(angle)], -1)
    bend = rng.normal(*n) * torch.where(tube, 0.35, 0.2)
    wobble = rng.uniform(*n, 3, high=0.16) / constant((1.0, 2.0, 3.0), rng.device)
    return Shapes(
        _axis(centre, towards / (radius * aspect)[..., None]),
        _axis(centre, _turned(towards) / (radius / aspect).clamp(min=0.015)[..., None]),
        bend,
        torch.polar(wobble, rng.uniform(*n, 3, high=6.3)),
        rng.uniform(*n, low=0.45, high=0.92) * rng.coin(*n, chance=0.25),
    )


def _axis(centre: Tensor, direction: Tensor) -> Tensor:
    return torch.cat([-(centre * direction).sum(-1, keepdim=True), direction], -1)


def _turned(direction: Tensor) -> Tensor:
    return torch.stack([-direction[..., 1], direction[..., 0]], -1)


def _large(shapes: int) -> int:
    return shapes - shapes // 3


def _centres(rng: Rng, radius: Tensor) -> Tensor:
    distance, direction = 0.8 * rng.uniform(*radius.shape).sqrt(), rng.uniform(*radius.shape, high=6.3)
    towards = torch.stack([torch.cos(direction), torch.sin(direction)], -1)
    centre = distance[..., None] * towards
    friend = rng.integers(radius.shape[1], below=radius.shape[1])
    touching, gap = rng.coin(*radius.shape, 1, chance=0.5), rng.uniform(*radius.shape, low=0.7, high=1.15)
    reach = (radius + radius[:, friend]) * gap
    return torch.where(touching, centre[:, friend] + reach[..., None] * towards, centre)


def implicit(shapes: Shapes, index: int, x: Tensor, y: Tensor) -> Tensor:
    """Value (B, H, W) of shape `index` at x, y (B, H, W): 0 at its centre, 1 on its border, growing outwards."""
    along, across = (_linear(axis[:, index], x, y) for axis in (shapes.along, shapes.across))
    bend = shapes.bend[:, index, None, None]
    across = torch.addcmul(across - bend, along, along * (2 * bend))
    rho = torch.hypot(along, across).clamp(min=1e-3)
    # cos(k angle + phase) is the real part of a power of the direction: no angle, no cosine a pixel.
    towards = torch.complex(along, across) / rho
    second, third, fourth = shapes.ripple[:, index, :, None, None].unbind(1)
    return rho / (1 + (towards * towards * (second + towards * (third + towards * fourth))).real)


def _linear(coefficients: Tensor, x: Tensor, y: Tensor) -> Tensor:
    constant_term, by_x, by_y = coefficients[..., None, None].unbind(1)
    return torch.addcmul(torch.addcmul(constant_term, by_x, x), by_y, y)


def organ_labels(rng: Rng, grid: Tensor, shapes: int = ORGANS) -> Tensor:
    """Label maps (B, H, W) uint8, below 64: background, body, and organs either painted over one another or packed.

    grid: (B, H, W, 2) deformed canvas coordinates. Packed organs share borders, as the organs of an abdomen do; the
    last third of the shapes is small and always painted over the rest, like lesions and vessels.
    """
    count = len(grid)
    drawn, labels, inside = draw_shapes(rng, count, shapes), *_body(rng, grid)
    packed = rng.coin(count, 1, 1, chance=0.45)
    reach = rng.uniform(count, 1, 1, low=1.0, high=2.5)
    used = rng.uniform(count, shapes) < rng.uniform(count, 1, low=0.25, high=1.0)
    nearest = reach.expand(labels.shape)
    x, y = (part.contiguous() for part in grid.unbind(-1))
    for index in range(shapes):
        value = implicit(drawn, index, x, y)
        limit = torch.where(packed, nearest, 1.0) if index < _large(shapes) else 1.0
        hit = (value < limit) & inside & used[:, index, None, None]
        nearest = torch.where(hit, value, nearest)
        core = value < drawn.inner[:, index, None, None]
        labels = torch.where(hit, core.to(torch.uint8) + (2 + 2 * index), labels)
    return labels


def _body(rng: Rng, grid: Tensor) -> tuple[Tensor, Tensor]:
    count = len(grid)
    radii, centre = rng.uniform(count, 2, low=0.55, high=1.1), rng.normal(count, 2, std=0.12)
    value = (((grid - centre[:, None, None]) / radii[:, None, None]) ** 2).sum(-1).sqrt()
    value = value + rng.uniform(count, 1, 1, high=0.08) * octaves(rng, count, (3, 6))
    everywhere = rng.coin(count, 1, 1, chance=0.2)
    inside = (value < 1) | everywhere
    labels = inside.to(torch.uint8) * BODY
    skin = (value > 1 - rng.uniform(count, 1, 1, low=0.02, high=0.2)) & rng.coin(count, 1, 1, chance=0.6)
    return torch.where(inside & skin & ~everywhere, SKIN, labels), inside


def folded_labels(rng: Rng, grid: Tensor) -> Tensor:
    """Label maps (B, H, W) uint8, below 8: level sets of smooth noise inside a body, like folds, marrow or fat."""
    count = len(grid)
    noise = octaves(rng, count, (2, 4, 8, 14))
    thresholds = rng.normal(count, 5, std=0.9)
    labels = 1 + (noise[:, None] > thresholds[..., None, None]).sum(1, dtype=torch.uint8)
    _, inside = _body(rng, grid)
    return labels * inside
