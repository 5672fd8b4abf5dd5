"""SAM-Med2D's losses: 20 x focal + Dice + IoU error, on the best of three masks (Cheng et al. 2023, section 3.3)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dfqsam_core.base.interpolation import linear_resize_matrix

from .batches import Batch

FOCAL_WEIGHT = 20.0
# Twice the side of the logits: a larger grid only repeats their bilinear interpolation, four times as dear.
FINE_SIZE = 128
# Weight of the coarse loss on all three masks: of a single click, unless told otherwise, and of all other prompts.
CLICK_SPREAD, CLEAR_SPREAD = 0.05, 0.5


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


@dataclass(frozen=True)
class Weighing:
    """How a single click, which may mean several things, is weighed.

    click_spread: weight of the coarse loss on all three masks. annotated_quality: let only annotated targets teach
    which of them is predicted to be best, so that a click prefers no part of an organ.
    """

    click_spread: float = CLICK_SPREAD
    annotated_quality: bool = False


PLAIN = Weighing()


def prompt_loss(
    logits: Tensor,
    quality: Tensor,
    batch: Batch,
    ambiguous: Tensor,
    weighing: Weighing = PLAIN,
) -> tuple[Tensor, Tensor]:
    """Loss of one decoder pass.

    logits: (N, 3, 64, 64). quality: predicted IoU (N, 3). batch: N targets. ambiguous: (N,) bool, prompts that may mean
    several things: of their masks mainly the best is pulled, of the others' all three.
    Returns the mean loss and the IoU (N, 3) of the masks.
    """
    masks, usable = batch.masks, batch.usable
    small = F.avg_pool2d(masks[:, None].float(), 4)
    coarse = mask_loss(logits, small.expand_as(logits))
    best = coarse.detach().argmin(1)
    chosen = _taken(logits, best)
    target = F.avg_pool2d(masks[:, None].float(), masks.shape[-1] // FINE_SIZE)[:, 0]
    fine = mask_loss(upsample(chosen, FINE_SIZE), target)
    spread = torch.where(ambiguous, weighing.click_spread, CLEAR_SPREAD)
    true = overlap_with(logits.detach(), target)
    error = ((quality - true) ** 2).mean(1)
    if weighing.annotated_quality:
        error = error * (batch.annotated | ~ambiguous)
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
    return _taken(logits, quality.argmax(1))


def _taken(logits: Tensor, number: Tensor) -> Tensor:
    # A weighted sum: the gradient of a gather would sort every pixel.
    weights = F.one_hot(number, logits.shape[1]).to(logits.dtype)
    return torch.einsum("nk,nkhw->nhw", weights, logits)
