"""Which structures of a batch become targets: a label, or the connected part of it around a random pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .randomness import Rng

SMALLEST_PX = 60
LARGEST_SHARE = 0.5
FILL_STEPS = 72


def choose_targets(
    rng: Rng, labels: Tensor, channels: Tensor, prompts: int, area_power: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Pick `prompts` targets in each image.

    labels: (B, C, H, W) uint8. channels: (B, C) float weights of the label channels. area_power: a label's chance
    among those of its channel is its area to this power. Returns masks (B * prompts, H, W) bool, whether each is
    usable, and whether each is of channel 0, annotated, (B * prompts,) bool; an image with fewer targets than prompts
    repeats its first.
    """
    batch, _, height, width = labels.shape
    counts = _label_counts(labels)
    known = (counts >= SMALLEST_PX) & (counts <= LARGEST_SHARE * height * width)
    known[..., 0] = False
    worth = known * counts.clamp(min=1).float() ** area_power
    share = channels[..., None] * worth / worth.sum(-1, keepdim=True).clamp(min=1)
    score = torch.log(share.clamp(min=1e-12)) + rng.gumbel(*share.shape)
    score = torch.where(share > 0, score, -torch.inf).flatten(1)
    best, chosen = score.topk(prompts, dim=1)
    chosen = torch.where(best.isinf(), chosen[:, :1], chosen)
    channel, number = chosen // 256, chosen % 256
    picked = torch.gather(labels, 1, channel[..., None, None].expand(-1, -1, height, width))
    whole = (picked == number[..., None, None]).flatten(0, 1)
    usable = (~best[:, :1].isinf()).expand(-1, prompts).flatten()
    part = connected_part(whole, random_pixel(rng, whole))
    area = part.flatten(1).sum(1)
    single = rng.coin(batch * prompts, chance=0.85) & (area >= SMALLEST_PX)
    masks = torch.where(single[:, None, None], part, whole)
    return masks, usable & masks.flatten(1).any(1), (channel == 0).flatten()


def _label_counts(labels: Tensor) -> Tensor:
    batch, channels = labels.shape[:2]
    start = 256 * torch.arange(batch * channels, device=labels.device)[:, None]
    flat = labels.flatten(0, 1).flatten(1).long() + start
    return torch.bincount(flat.flatten(), minlength=256 * batch * channels).view(batch, channels, 256)


def random_pixel(rng: Rng, masks: Tensor, weight: Tensor | None = None) -> Tensor:
    """A random pixel of each mask (N, H, W) as a flat index (N,), uniform or in proportion to `weight` (N, H, W)."""
    score = rng.uniform(*masks.shape)
    if weight is not None:
        # The smallest of exponential draws divided by their weights: Efraimidis and Spirakis, 2006.
        score = score.clamp(min=1e-9).log() / weight.clamp(min=1e-6)
    return torch.where(masks, score, -torch.inf).flatten(1).argmax(1)


def connected_part(masks: Tensor, seed: Tensor) -> Tensor:
    """The 8-connected part of each mask (N, H, W) around its `seed` (N,) pixel, found at half resolution.

    A part too winding for `FILL_STEPS` steps is returned as the whole mask rather than cut off.
    """
    width = masks.shape[-1]
    small = F.max_pool2d(masks[:, None].to(torch.bfloat16), 2)
    part = torch.zeros_like(small)
    place = (seed // width // 2) * (width // 2) + seed % width // 2
    part.view(len(part), -1).scatter_(1, place[:, None], 1.0)
    for _ in range(FILL_STEPS):
        part = _grown(part, small)
    done = (_grown(part, small) == part).flatten(1).all(1)[:, None, None]
    full = F.interpolate(part, scale_factor=2.0, mode="nearest")[:, 0] > 0
    return torch.where(done, full & masks, masks)


def _grown(part: Tensor, within: Tensor) -> Tensor:
    # A sum over neighbours, cut at one: max_pool2d would write an int64 index beside every pixel.
    return torch.minimum(F.avg_pool2d(part, 3, 1, 1, divisor_override=1), within)
