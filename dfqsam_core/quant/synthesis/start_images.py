"""Where synthesis starts: an image and a label map, drawn from one seed."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...network.pixels import PIXEL_MEAN, PIXEL_STD
from .masks import is_covered


def random_generator(seed: int, *stream: int) -> torch.Generator:
    """A generator that depends on the seed and the stream's numbers alone: to resume, no state has to be kept."""
    mixed = np.random.SeedSequence([seed, *stream]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 32 | int(mixed[1]))


def random_blobs(size: int, generator: torch.Generator) -> Tensor:
    """One to three star-shaped blobs of 0.3 to 8 % of the image, bool (count, size, size); later ones lie on top.

    None shares half of the smaller of both areas with another.
    """
    blobs: list[Tensor] = []
    for _ in range(int(torch.randint(1, 4, (), generator=generator))):
        blob = _random_blob(size, generator)
        if not is_covered(blob, blobs):
            blobs.append(blob)
    return torch.stack(blobs)


def _random_blob(size: int, generator: torch.Generator) -> Tensor:
    uniform = lambda low, high: float(torch.rand((), generator=generator)) * (high - low) + low  # noqa: E731
    area = float(np.exp(uniform(np.log(0.003), np.log(0.08)))) * size * size
    stretch, turn, power = uniform(1.0, 2.2), uniform(0, np.pi), uniform(1.6, 4.0)
    centre_x, centre_y = uniform(0.25, 0.75) * size, uniform(0.25, 0.75) * size
    y, x = torch.meshgrid(torch.arange(size) - centre_y, torch.arange(size) - centre_x, indexing="ij")
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    angle = torch.atan2(across, along)
    wave = 1 + sum(uniform(0, 0.25 / k) * torch.cos(k * angle + uniform(0, 6.28)) for k in (2, 3, 5))
    radius = (area / np.pi) ** 0.5
    reach = (along.abs() / (radius * stretch**0.5)) ** power + (across.abs() / (radius / stretch**0.5)) ** power
    return reach ** (1 / power) < wave


def start_image(kind: str, blobs: Tensor, generator: torch.Generator) -> Tensor:
    """The first pixels, float32 (1, 1, S, S) in 0..1, gray.

    "noise": white Gaussian noise with the statistics that SAM normalises by, as published. "anatomy": smooth random
    fields of several scales with the blobs a little brighter or darker than what surrounds them.
    """
    size = blobs.shape[-1]
    if kind == "noise":
        noise = torch.randn((1, 1, size, size), generator=generator)
        return (noise * (sum(PIXEL_STD) / 3 / 255) + sum(PIXEL_MEAN) / 3 / 255).clamp(0, 1)
    field = torch.zeros(1, 1, size, size)
    for cells, strength in ((4, 0.5), (8, 0.3), (16, 0.15), (32, 0.08), (64, 0.04)):
        coarse = torch.randn((1, 1, cells, cells), generator=generator)
        field += strength * F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    for blob in blobs:
        offset = float(torch.rand((), generator=generator)) * 0.5 + 0.15
        sign = 1 if float(torch.rand((), generator=generator)) < 0.5 else -1
        field[0, 0, blob] += sign * offset
    return (0.45 + 0.35 * field / field.std()).clamp(0, 1)
