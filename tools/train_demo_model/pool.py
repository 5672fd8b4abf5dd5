"""Prepared images that serve several steps: preparing them is dearer than choosing new targets in them."""

from __future__ import annotations

import torch

from .batches import BatchMaker, Prepared
from .randomness import Rng

# Batches that take turns: an image returns this many steps later.
TURNS = 8
GAMMA = 0.15


class Pool:
    """Images for every step, each prepared batch used `reuse` times, `TURNS` steps apart.

    What a step gets depends on the seed and its number alone: after a restart the batches of the current round are
    prepared again.
    """

    def __init__(self, maker: BatchMaker, seed: int, images: int, reuse: int) -> None:
        self.maker, self.seed, self.images, self.reuse = maker, seed, images, reuse
        self._kept: dict[int, Prepared] = {}

    def at(self, step: int) -> Prepared:
        """Images of a step; from their second use on half of the batches are mirrored and the contrast is changed."""
        first = step // (TURNS * self.reuse) * TURNS
        number, use = first + step % TURNS, step // TURNS % self.reuse
        device = self.maker.device
        if number not in self._kept:
            self._kept[number] = self.maker.prepare(Rng(device, self.seed, 1, number), self.images)
        kept = self._kept[number] if use < self.reuse - 1 else self._kept.pop(number)
        return varied(Rng(device, self.seed, 2, step), kept) if use else kept


@torch.no_grad()
def varied(rng: Rng, prepared: Prepared) -> Prepared:
    """The same images with another contrast, mirrored half of the time."""
    curve = torch.exp(rng.normal(len(prepared.pixels), 1, 1, std=GAMMA))
    pixels = ((prepared.pixels / 255) ** curve * 255).round().to(torch.uint8)
    if rng.host.random() < 0.5:
        return Prepared(pixels.flip(-1), prepared.labels.flip(-1), prepared.channels)
    return Prepared(pixels, prepared.labels, prepared.channels)
