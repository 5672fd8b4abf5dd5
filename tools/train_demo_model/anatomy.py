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
BACKGROUND, BODY, SKIN = 0, 1, 62


@dataclass(frozen=True)
class Shapes:
    """N bent, wobbly ellipses an image: every field is (B, N), lengths in half canvases.

    ripple: (B, N, 3) complex, twofold to fourfold modulation of the border, strength and phase.
    inner: a core of its own label fills the part below this value of the implicit function (0: no core).
    """

    x: Tensor
    y: Tensor
    radius_x: Tensor
    radius_y: Tensor
    angle: Tensor
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
    x, y = _centres(rng, radius)
    wobble = rng.uniform(*n, 3, high=0.16) / constant((1.0, 2.0, 3.0), rng.device)
    return Shapes(
        x, y, radius * aspect, (radius / aspect).clamp(min=0.015), rng.uniform(*n, high=3.15),
        rng.normal(*n) * torch.where(tube, 0.35, 0.2), torch.polar(wobble, rng.uniform(*n, 3, high=6.3)),
        rng.uniform(*n, low=0.45, high=0.92) * rng.coin(*n, chance=0.25),
    )  # fmt: skip


def _large(shapes: int) -> int:
    return shapes - shapes // 3


def _centres(rng: Rng, radius: Tensor) -> tuple[Tensor, Tensor]:
    distance, direction = 0.8 * rng.uniform(*radius.shape).sqrt(), rng.uniform(*radius.shape, high=6.3)
    x, y = distance * torch.cos(direction), distance * torch.sin(direction)
    friend = rng.integers(radius.shape[1], below=radius.shape[1])
    touching, gap = rng.coin(*radius.shape, chance=0.5), rng.uniform(*radius.shape, low=0.7, high=1.15)
    reach = (radius + radius[:, friend]) * gap
    beside_x = x[:, friend] + reach * torch.cos(direction)
    beside_y = y[:, friend] + reach * torch.sin(direction)
    return torch.where(touching, beside_x, x), torch.where(touching, beside_y, y)


def implicit(shapes: Shapes, index: int, grid: Tensor) -> Tensor:
    """Value (B, H, W) of shape `index`: 0 at its centre, 1 on its border, growing outwards."""
    part = {name: value[:, index, None, None] for name, value in vars(shapes).items() if name != "ripple"}
    cos, sin = torch.cos(part["angle"]), torch.sin(part["angle"])
    dx, dy = grid[..., 0] - part["x"], grid[..., 1] - part["y"]
    along = dx * (cos / part["radius_x"]) + dy * (sin / part["radius_x"])
    across = dy * (cos / part["radius_y"]) - dx * (sin / part["radius_y"])
    across = torch.addcmul(across - part["bend"], along, along * (2 * part["bend"]))
    rho = torch.sqrt(along * along + across * across + 1e-6)
    # cos(k angle + phase) is the real part of a power of the direction: no angle, no cosine a pixel.
    towards = torch.complex(along, across) / rho
    second, third, fourth = shapes.ripple[:, index, :, None, None].unbind(1)
    return rho / (1 + (towards * towards * (second + towards * (third + towards * fourth))).real)


def organ_labels(rng: Rng, grid: Tensor, shapes: int = ORGANS) -> Tensor:
    """Label maps (B, H, W) long, below 64: background, body, and organs either painted over one another or packed.

    grid: (B, H, W, 2) deformed canvas coordinates. Packed organs share borders, as the organs of an abdomen do; the
    last third of the shapes is small and always painted over the rest, like lesions and vessels.
    """
    count = len(grid)
    drawn, labels, inside = draw_shapes(rng, count, shapes), *_body(rng, grid)
    packed = rng.coin(count, 1, 1, chance=0.45)
    reach = rng.uniform(count, 1, 1, low=1.0, high=2.5)
    used = rng.uniform(count, shapes) < rng.uniform(count, 1, low=0.25, high=1.0)
    nearest = reach.expand(labels.shape)
    for index in range(shapes):
        value = implicit(drawn, index, grid)
        limit = torch.where(packed, nearest, 1.0) if index < _large(shapes) else 1.0
        hit = (value < limit) & inside & used[:, index, None, None]
        nearest = torch.where(hit, value, nearest)
        labels = torch.where(hit, 2 + 2 * index, labels)
        labels = torch.where(hit & (value < drawn.inner[:, index, None, None]), 3 + 2 * index, labels)
    return labels


def _body(rng: Rng, grid: Tensor) -> tuple[Tensor, Tensor]:
    count = len(grid)
    radii, centre = rng.uniform(count, 2, low=0.55, high=1.1), rng.normal(count, 2, std=0.12)
    value = (((grid - centre[:, None, None]) / radii[:, None, None]) ** 2).sum(-1).sqrt()
    value = value + rng.uniform(count, 1, 1, high=0.08) * octaves(rng, count, (3, 6))
    everywhere = rng.coin(count, 1, 1, chance=0.2)
    inside = (value < 1) | everywhere
    labels = torch.where(inside, BODY, BACKGROUND)
    skin = (value > 1 - rng.uniform(count, 1, 1, low=0.02, high=0.2)) & rng.coin(count, 1, 1, chance=0.6)
    return torch.where(inside & skin & ~everywhere, SKIN, labels), inside


def folded_labels(rng: Rng, grid: Tensor) -> Tensor:
    """Label maps (B, H, W) long, below 8: level sets of smooth noise inside a body, like folds, marrow or fat."""
    count = len(grid)
    noise = octaves(rng, count, (2, 4, 8, 14))
    thresholds = rng.normal(count, 5, std=0.9)
    labels = 1 + (noise[:, None] > thresholds[..., None, None]).sum(1)
    _, inside = _body(rng, grid)
    return torch.where(inside, labels, BACKGROUND)
