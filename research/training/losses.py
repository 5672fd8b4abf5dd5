"""SAM-Med2D's losses: 20 x focal + Dice + IoU error, on the best of three masks (Cheng et al. 2023, section 3.3)."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from dfqsam_core.base.interpolation import linear_resize_matrix

FOCAL_WEIGHT = 20.0
# Twice the side of the logits: a larger grid only repeats their bilinear interpolation, four times as dear.
FINE_SIZE = 128


def upsample(logits: Tensor, size: int) -> Tensor:
    """Bilinear resize of square maps (..., S, S) to (..., size, size) ; its gradient is deterministic."""
    matrix = _resize_matrix(logits.shape[-1], size, logits.device)
    return matrix @ logits @ matrix.T


@functools.cache
def _resize_matrix(source: int, target: int, device: torch.device) -> Tensor:
    return torch.from_numpy(linear_resize_matrix(source, target)).to(device)


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """20 x focal (alpha 0.25, gamma 2) + Dice (smooth 1) over the last two axes; target is 0..1 of a like shape."""
    error = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    chance = logits.sigmoid()
    hit = chance * target + (1 - chance) * (1 - target)
    focal = ((0.25 * target + 0.75 * (1 - target)) * (1 - hit) ** 2 * error).mean((-2, -1))
    overlap = (chance * target).sum((-2, -1))
    dice = 1 - (2 * overlap + 1) / (chance.sum((-2, -1)) + target.sum((-2, -1)) + 1)
    return FOCAL_WEIGHT * focal + dice


def prompt_loss(
    logits: Tensor, quality: Tensor, masks: Tensor, ambiguous: Tensor, usable: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss of one decoder pass.

    logits: (N, 3, 64, 64). quality: predicted IoU (N, 3). masks: (N, 256, 256) bool. ambiguous: (N,) bool, prompts that
    may mean several things: only their best mask is pulled, for the others all three are. usable: (N,) bool.
    Returns the mean loss and the IoU (N, 3) of the masks.
    """
    small = F.avg_pool2d(masks[:, None].float(), 4)
    coarse = mask_loss(logits, small.expand_as(logits))
    best = coarse.detach().argmin(1)
    chosen = torch.gather(logits, 1, best[:, None, None, None].expand(-1, 1, *logits.shape[2:]))[:, 0]
    target = F.avg_pool2d(masks[:, None].float(), masks.shape[-1] // FINE_SIZE)[:, 0]
    fine = mask_loss(upsample(chosen, FINE_SIZE), target)
    spread = torch.where(ambiguous, 0.05, 0.5)
    true = overlap_with(logits.detach(), target)
    error = ((quality - true) ** 2).mean(1)
    total = fine + spread * coarse.mean(1) + error
    return (total * usable).sum() / usable.sum().clamp(min=1), true


@torch.no_grad()
def overlap_with(logits: Tensor, share: Tensor) -> Tensor:
    """IoU (N, 3) of three masks (N, 3, 64, 64 logits) with a target: its share (N, S, S) of each cell of a grid."""
    target = share[:, None] >= 0.5
    answer = upsample(logits, share.shape[-1]) > 0
    shared = (answer & target).sum((-2, -1)).float()
    return shared / (answer | target).sum((-2, -1)).clamp(min=1)


def pick(logits: Tensor, quality: Tensor) -> Tensor:
    """The mask with the highest predicted IoU: logits (N, 64, 64)."""
    best = quality.argmax(1)[:, None, None, None].expand(-1, 1, *logits.shape[2:])
    return torch.gather(logits, 1, best)[:, 0]
