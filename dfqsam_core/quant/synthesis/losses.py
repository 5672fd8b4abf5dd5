"""The loss terms that pixels are optimised under (DFQ-SAM; SAM-Med2D's segmentation loss)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ENTROPY_FLOOR = 1e-4
# Kernels below e to this power vanish beside the floor; far below it, exp itself becomes ten times as slow.
_VANISHING = -60.0


def segmentation_loss(logits: Tensor, predicted_iou: Tensor, target: Tensor) -> Tensor:
    """20 * focal + Dice + squared error of the predicted IoU, as SAM-Med2D is trained.

    logits, target: (N, H, W), target 0 or 1; predicted_iou: (N,). Focal: gamma 2, alpha 0.25; Dice: smooth 1.
    """
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    hit = probability * target + (1 - probability) * (1 - target)
    alpha = 0.25 * target + 0.75 * (1 - target)
    focal = (alpha * (1 - hit).square() * entropy).mean()
    overlap = (probability * target).sum((1, 2))
    total = probability.sum((1, 2)) + target.sum((1, 2))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    iou = overlap / (total - overlap).clamp(min=1e-6)
    return 20 * focal + dice.mean() + (predicted_iou - iou.detach()).square().mean()


def patch_similarity_entropy(attention_output: Tensor, points: int, tokens: Tensor | None = None) -> Tensor:
    """Differential entropy of the cosine similarities between patches (PSAQ-ViT section 3.2; DFQ-SAM).

    attention_output: (B, N, heads, C) of real tokens only, before the output projection; heads are averaged first.
    points: nodes of the density grid between the least and the greatest similarity; the Gaussian kernel is as wide as
    their spacing, at least 0.01, so that every pair lies near a node. tokens: indices of the tokens to use.
    Returns the mean over B; of fewer than two patches 0. The diagonal, always one, says nothing and is left out.
    """
    if attention_output.shape[1] < 2:
        return attention_output.new_zeros(())
    patches = F.normalize(attention_output.mean(2), dim=-1)
    if tokens is not None:
        patches = patches[:, tokens]
    count = patches.shape[1]
    upper = torch.triu_indices(count, count, 1, device=patches.device)
    similarity = (patches @ patches.transpose(1, 2))[:, upper[0], upper[1]]
    return density_entropy(similarity, points)


def density_entropy(values: Tensor, points: int) -> Tensor:
    """Entropy of the kernel density of `values` (B, M), by the trapezoid rule over `points` nodes; mean over B."""
    low, high = values.detach().amin(1, keepdim=True), values.detach().amax(1, keepdim=True)
    nodes = low + (high - low) * torch.linspace(0, 1, points, device=values.device)
    spacing = (high - low) / (points - 1)
    width = spacing.clamp(min=0.01)[..., None]
    exponents = -0.5 * ((nodes[..., None] - values[:, None, :]) / width).square()
    kernel = torch.exp(exponents.clamp(min=_VANISHING))
    density = kernel.mean(2) / (width[..., 0] * math.sqrt(2 * math.pi)) + ENTROPY_FLOOR
    return -torch.trapezoid(density * density.log(), nodes, dim=1).mean()


def total_variation(image: Tensor) -> Tensor:
    """Root mean square difference between neighbouring pixels (two axes and two diagonals) of (B, 1, H, W)."""
    differences = (
        image[..., 1:, :] - image[..., :-1, :],
        image[..., :, 1:] - image[..., :, :-1],
        image[..., 1:, 1:] - image[..., :-1, :-1],
        image[..., 1:, :-1] - image[..., :-1, 1:],
    )
    roots = ((d.square().mean() + 1e-12).sqrt() for d in differences)
    return sum(roots, image.new_zeros(())) / len(differences)
