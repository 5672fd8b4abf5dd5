"""Where synthesis starts: an image and a label map, drawn from one seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...network.pixels import PIXEL_MEAN, PIXEL_STD
from .masks import is_covered
from .painted_slices import Draw, body, star_shape, tissue

# Painted images take turns: every other one is a body.
PAINTED = (body, tissue)


def random_generator(seed: int, *stream: int) -> torch.Generator:
    """A generator that depends on the seed and the stream's numbers alone: to resume, no state has to be kept."""
    mixed = np.random.SeedSequence([seed, *stream]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 32 | int(mixed[1]))


def random_blobs(size: int, generator: torch.Generator) -> Tensor:
    """One to three star-shaped blobs of 0.3 to 8 % of the image, bool (count, size, size); later ones lie on top.

    None shares half of the smaller of both areas with another.
    """
    draw, blobs = Draw(generator), list[Tensor]()
    for _ in range(draw.whole(1, 3)):
        blob = star_shape(size, draw)
        if not is_covered(blob, blobs):
            blobs.append(blob)
    return torch.stack(blobs)


def start_image(kind: str, blobs: Tensor, generator: torch.Generator, number: int = 0) -> Tensor:
    """The first pixels, float32 (1, 1, S, S) in 0..1, gray.

    "noise": white Gaussian noise with the statistics that SAM normalises by, as published. "anatomy": painted, with the
    blobs in it; number: of the image, since painted ones take turns.
    """
    size, draw = blobs.shape[-1], Draw(generator)
    if kind == "noise":
        noise = draw.normal(1, 1, size, size)
        return (noise * (sum(PIXEL_STD) / 3 / 255) + sum(PIXEL_MEAN) / 3 / 255).clamp(0, 1)
    return PAINTED[number % len(PAINTED)](size, blobs, draw)[None, None]
