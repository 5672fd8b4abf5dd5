"""Pseudo-positive label evolution: labels grow by the masks that the model itself is sure of (DFQ-SAM section 3.1).

The published script takes them from a segmenter trained on patients; here SAM-Med2D's own predicted IoU, stability
and probability decide, as the paper's text describes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ...model import SamMed2D


@dataclass(frozen=True)
class EvolutionRules:
    """When a predicted mask may join the labels, and when a label has to go; areas are shares of the image."""

    least_iou: float = 0.80
    least_stability: float = 0.90
    stability_offset: float = 1.0
    least_probability: float = 0.85
    least_area: float = 0.002
    most_area: float = 0.12
    same_mask_iou: float = 0.7
    most_overlap: float = 0.5
    most_instances: int = 12
    keep_iou: float = 0.5


@dataclass(frozen=True)
class Candidates:
    """Masks with their scores: masks bool (N, h, w) at the decoder's resolution, the rest (N,)."""

    masks: Tensor
    predicted_iou: Tensor
    stability: Tensor
    probability: Tensor


def tight_boxes(masks: Tensor) -> Tensor:
    """Boxes (N, 4) xyxy, far corners exclusive, of the largest component of each mask (N, S, S)."""
    boxes = []
    for mask in masks.cpu().numpy():
        parts, count = ndimage.label(mask)
        rows, columns = slice(0, 1), slice(0, 1)
        if count:
            sizes = ndimage.sum_labels(mask, parts, range(1, count + 1))
            rows, columns = ndimage.find_objects(parts)[int(sizes.argmax())]
        boxes.append([columns.start, rows.start, columns.stop, rows.stop])
    return torch.tensor(boxes, dtype=torch.float32, device=masks.device)


def point_grid(size: int, points: int, device: torch.device) -> Tensor:
    """Coordinates (points^2, 1, 2) as x, y at the centres of a points x points partition of the image."""
    line = (torch.arange(points, device=device) + 0.5) * (size / points)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)[:, None]


def full_size(logits: Tensor, size: int) -> Tensor:
    """Masks bool (N, size, size) of low-resolution logits (N, h, w)."""
    return F.interpolate(logits[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0] > 0


def score_masks(logits: Tensor, predicted_iou: Tensor, offset: float) -> Candidates:
    """Candidates from low-resolution logits (N, h, w), scored as they are: hundreds of masks, of which few are kept.

    Stability is the IoU of the masks cut at +offset and -offset (segment-anything's stability score).
    """
    masks = logits > 0
    area = masks.sum((1, 2)).clamp(min=1)
    stability = (logits > offset).sum((1, 2)) / (logits > -offset).sum((1, 2)).clamp(min=1)
    probability = (logits.sigmoid() * masks).sum((1, 2)) / area
    return Candidates(masks, predicted_iou, stability, probability)


def sample_logits(model: SamMed2D, embedding: Tensor, labels: Tensor, grid_points: int) -> tuple[Tensor, Tensor]:
    """Logits (N, h, w) and predicted IoU (N,) of all three masks for each point of a grid and the box of each label."""
    grid = point_grid(model.architecture.image_size, grid_points, embedding.device)
    by_point = model.decode(embedding, points=(grid, torch.ones(grid.shape[:2], device=grid.device)))
    by_box = model.decode(embedding, boxes=tight_boxes(labels))
    logits = torch.cat([by_point[0].flatten(0, 1), by_box[0].flatten(0, 1)])
    return logits, torch.cat([by_point[1].flatten(), by_box[1].flatten()])


def pseudo_positive(candidates: Candidates, rules: EvolutionRules) -> list[int]:
    """Indices of the masks that pass every threshold, surest first, without near repetitions."""
    share = candidates.masks.float().mean((1, 2))
    sure = (
        (candidates.predicted_iou >= rules.least_iou)
        & (candidates.stability >= rules.least_stability)
        & (candidates.probability >= rules.least_probability)
        & (share >= rules.least_area)
        & (share <= rules.most_area)
    )
    order = (candidates.predicted_iou * candidates.probability).argsort(descending=True, stable=True)
    kept: list[int] = []
    for index in order[sure[order]].tolist():
        mask = candidates.masks[index]
        if all(mask_iou(mask, candidates.masks[other]) < rules.same_mask_iou for other in kept):
            kept.append(index)
    return kept


def mask_iou(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two bool masks; 0 when both are empty."""
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def evolve_labels(
    model: SamMed2D,
    embedding: Tensor,
    labels: Tensor,
    grid_points: int,
    rules: EvolutionRules,
    extra: Iterable[Tensor] = (),
) -> Tensor:
    """One step of label evolution.

    labels: bool (N, S, S), at least one. A label that its own box no longer brings back (IoU under keep_iou) is
    dropped, unless it is the last; sure masks that overlap no label by more than most_overlap are added,
    then, by the same rule, the masks `extra` of another segmenter.
    Returns the new labels, bool (M, S, S), 1 <= M <= most_instances.
    """
    size = labels.shape[-1]
    logits, predicted = model.decode(embedding, boxes=tight_boxes(labels))
    best = predicted.argmax(1)
    answers = full_size(logits[torch.arange(len(best)), best], size)
    agreement = [mask_iou(label, answer) for label, answer in zip(labels, answers, strict=True)]
    kept = [label for label, iou in zip(labels, agreement, strict=True) if iou >= rules.keep_iou]
    if not kept:
        kept = [labels[max(range(len(agreement)), key=agreement.__getitem__)]]
    logits, predicted = sample_logits(model, embedding, labels, grid_points)
    sure = full_size(logits[pseudo_positive(score_masks(logits, predicted, rules.stability_offset), rules)], size)
    for mask in [*sure, *extra]:
        if len(kept) >= rules.most_instances:
            break
        if all(float((mask & label).sum() / mask.sum()) < rules.most_overlap for label in kept):
            kept.append(mask)
    return torch.stack(kept)
