"""Procedural anatomies: label maps of bodies with organs, vessels, walls, packed neighbours and folded tissue.

The idea that a network trained on random label maps with random appearance generalises to real scans is SynthSeg's
(Billot et al. 2023); the shapes here are implicit functions, painted one after another for a whole batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .fields import octaves
from .randomness import Rng

ORGANS = 26
BACKGROUND, BODY, SKIN = 0, 1, 62


@dataclass(frozen=True)
class Shapes:
    """`ORGANS` bent, wobbly ellipses an image: every field is (B, ORGANS), lengths in half canvases.

    inner: a core of its own label fills the part below this value of the implicit function (0: no core).
    """

    x: Tensor
    y: Tensor
    radius_x: Tensor
    radius_y: Tensor
    angle: Tensor
    bend: Tensor
    wobble: Tensor
    phase: Tensor
    inner: Tensor


def draw_shapes(rng: Rng, count: int) -> Shapes:
    """Shapes of many sizes; half of them touch an earlier one, a sixth are long and thin like vessels."""
    n = (count, ORGANS)
    radius = rng.log_uniform(*n, low=0.03, high=0.5)
    radius[:, -8:] = rng.log_uniform(count, 8, low=0.02, high=0.12)
    tube = rng.coin(*n, chance=0.16)
    aspect = torch.where(tube, rng.uniform(*n, low=2.5, high=9.0), rng.log_uniform(*n, low=1.0, high=2.2)).sqrt()
    x, y = _centres(rng, count, radius)
    return Shapes(
        x, y, radius * aspect, (radius / aspect).clamp(min=0.015), rng.uniform(*n, high=3.15),
        rng.normal(*n) * torch.where(tube, 0.35, 0.2), rng.uniform(*n, 3, high=0.16),
        rng.uniform(*n, 3, high=6.3), rng.uniform(*n, low=0.45, high=0.92) * rng.coin(*n, chance=0.25),
    )  # fmt: skip


def _centres(rng: Rng, count: int, radius: Tensor) -> tuple[Tensor, Tensor]:
    distance, direction = 0.8 * rng.uniform(count, ORGANS).sqrt(), rng.uniform(count, ORGANS, high=6.3)
    x, y = distance * torch.cos(direction), distance * torch.sin(direction)
    friend = rng.integers(ORGANS, below=ORGANS)
    touching, gap = rng.coin(count, ORGANS, chance=0.5), rng.uniform(count, ORGANS, low=0.7, high=1.15)
    reach = (radius + radius[:, friend]) * gap
    beside_x = x[:, friend] + reach * torch.cos(direction)
    beside_y = y[:, friend] + reach * torch.sin(direction)
    return torch.where(touching, beside_x, x), torch.where(touching, beside_y, y)


def implicit(shapes: Shapes, index: int, grid: Tensor) -> Tensor:
    """Value (B, H, W) of shape `index`: 0 at its centre, 1 on its border, growing outwards."""
    part = {name: getattr(shapes, name)[:, index, None, None] for name in ("x", "y", "radius_x", "radius_y", "bend")}
    cos, sin = torch.cos(shapes.angle[:, index, None, None]), torch.sin(shapes.angle[:, index, None, None])
    dx, dy = grid[..., 0] - part["x"], grid[..., 1] - part["y"]
    along = (cos * dx + sin * dy) / part["radius_x"]
    across = (-sin * dx + cos * dy) / part["radius_y"] + part["bend"] * (along * along - 0.5) * 2
    rho = torch.sqrt(along * along + across * across + 1e-6)
    turn = torch.atan2(across, along)
    ripple = torch.ones_like(rho)
    for order in range(3):
        amplitude = shapes.wobble[:, index, order, None, None] / (order + 1)
        ripple = ripple + amplitude * torch.cos((order + 2) * turn + shapes.phase[:, index, order, None, None])
    return rho / ripple


def organ_labels(rng: Rng, grid: Tensor) -> Tensor:
    """Label maps (B, H, W) long, below 64: background, body, and organs either painted over one another or packed.

    grid: (B, H, W, 2) deformed canvas coordinates. Packed organs share borders, as the organs of an abdomen do; the
    last eight shapes are small and always painted over the rest, like lesions and vessels.
    """
    count = len(grid)
    shapes, labels, inside = draw_shapes(rng, count), *_body(rng, grid)
    packed = rng.coin(count, 1, 1, chance=0.45)
    reach = rng.uniform(count, 1, 1, low=1.0, high=2.5)
    used = rng.uniform(count, ORGANS, high=1.0) < rng.uniform(count, 1, low=0.25, high=1.0)
    nearest = reach.expand(labels.shape)
    for index in range(ORGANS):
        value = implicit(shapes, index, grid)
        limit = torch.where(packed & (index < ORGANS - 8), nearest, torch.ones_like(nearest))
        hit = (value < limit) & inside & used[:, index, None, None]
        nearest = torch.where(hit, value, nearest)
        labels = torch.where(hit, 2 + 2 * index, labels)
        labels = torch.where(hit & (value < shapes.inner[:, index, None, None]), 3 + 2 * index, labels)
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
