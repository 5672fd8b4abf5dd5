"""Asking a model about one image by clicks and by boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...model import SamMed2D
from .masks import mask_iou, tight_boxes

# The decoder's values for more of them do not stay in a core's own cache.
_CLICKS_AT_ONCE = 16


@dataclass(frozen=True)
class Answers:
    """To each question the mask of highest predicted IoU: masks bool (N, S, S), predicted_iou (N,)."""

    masks: Tensor
    predicted_iou: Tensor

    def agreement(self, asked: Tensor) -> Tensor:
        """IoU (N,) with the masks (N, S, S) that were asked about, or with one (S, S)."""
        return mask_iou(self.masks, asked)

    def sureness(self, asked: Tensor) -> Tensor:
        """Predicted IoU times agreement, (N,)."""
        return self.predicted_iou * self.agreement(asked)


def ask_by_click(model: SamMed2D, embedding: Tensor, points: Tensor) -> Answers:
    """Answers to one click each at `points` (N, 2) as x, y."""
    points = points[:, None].to(embedding.device)
    labels = torch.ones(points.shape[:2], device=embedding.device)
    some = zip(points.split(_CLICKS_AT_ONCE), labels.split(_CLICKS_AT_ONCE), strict=True)
    logits, predicted = zip(*(model.decode(embedding, points=clicks) for clicks in some), strict=True)
    return _best(model, torch.cat(logits), torch.cat(predicted))


def ask_by_box(model: SamMed2D, embedding: Tensor, masks: Tensor) -> Answers:
    """Answers to the tight box of each of `masks` (N, S, S)."""
    return _best(model, *model.decode(embedding, boxes=tight_boxes(masks)))


def point_grid(size: int, points: int, generator: torch.Generator) -> Tensor:
    """One random point (points^2, 2) as x, y in each cell of a points x points partition of the image."""
    line = torch.arange(points, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    cells = torch.stack([x.flatten(), y.flatten()], dim=1)
    return (cells + torch.rand(cells.shape, generator=generator)) * (size / points)


def _best(model: SamMed2D, logits: Tensor, predicted: Tensor) -> Answers:
    size, best = model.architecture.image_size, predicted.argmax(1)
    rows = torch.arange(len(best), device=best.device)
    chosen = F.interpolate(logits[rows, best][:, None], (size, size), mode="bilinear", align_corners=False)[:, 0]
    return Answers(chosen > 0, predicted[rows, best])
