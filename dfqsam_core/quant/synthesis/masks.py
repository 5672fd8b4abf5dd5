"""What can be said of masks without asking a model: overlap, boxes, places within."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

MOST_OVERLAP = 0.5
RING_PX = 5


def mask_iou(masks: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (N,) of bool masks (N, S, S) with as many others, or with one; 0 where both are empty."""
    return (masks & others).sum((-2, -1)) / (masks | others).sum((-2, -1)).clamp(min=1)


def is_covered(mask: Tensor, others: Iterable[Tensor]) -> bool:
    """Return whether a mask (S, S) shares half of the smaller of both areas, or more, with one of the others.

    Of the smaller: a small label would otherwise vanish under a large one, of which it is a small part.
    """
    area = mask.sum()
    return any(
        float((mask & other).sum()) >= MOST_OVERLAP * float(torch.minimum(area, other.sum())) for other in others
    )


def largest_parts(masks: Tensor) -> Tensor:
    """The largest component of each mask (N, S, S)."""
    return torch.stack([_largest_part(mask) for mask in masks])


def _largest_part(mask: Tensor) -> Tensor:
    parts, count = ndimage.label(mask.cpu().numpy())
    if count < 2:
        return mask
    largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return torch.from_numpy(parts == largest).to(mask.device)


def tight_boxes(masks: Tensor) -> Tensor:
    """Boxes (N, 4) xyxy, far corners exclusive, of the largest component of each mask (N, S, S); of none: one pixel."""
    boxes = []
    for mask in largest_parts(masks).cpu().numpy():
        rows, columns = (np.flatnonzero(mask.any(axis)) if mask.any() else np.zeros(1) for axis in (1, 0))
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return torch.tensor(np.array(boxes), dtype=torch.float32, device=masks.device)


def box_fill(masks: Tensor) -> Tensor:
    """Part of its own tight box that each mask (N, S, S) fills, (N,), 0..1; 0 where it is empty."""
    height, width = masks.any(2).sum(1), masks.any(1).sum(1)
    return masks.sum((1, 2)) / (height * width).clamp(min=1)


def contrast(pixels: Tensor, mask: Tensor) -> float:
    """Difference of the mean gray in a mask (S, S) and around it, in standard deviations within both.

    pixels: (1, 1, S, S). Around: at most RING_PX pixels away. 0 where either is empty.
    """
    side = 2 * RING_PX + 1
    in_columns = F.max_pool2d(mask[None, None].float(), (side, 1), 1, (RING_PX, 0))
    near = F.max_pool2d(in_columns, (1, side), 1, (0, RING_PX))[0, 0] > 0
    inside, around = pixels[0, 0][mask], pixels[0, 0][near & ~mask]
    if min(len(inside), len(around)) < 2:
        return 0.0
    spread = ((inside.var() + around.var()) / 2).sqrt().clamp(min=1e-6)
    return float((inside.mean() - around.mean()).abs() / spread)


def inner_points(mask: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Random pixels (count, 2) as x, y of the inner half of a mask (S, S), which is not empty.

    Inner: at least as far from the outside as half of the mask's pixels. A click on the very outline may mean either
    side.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask.cpu().numpy(), 1))[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= np.median(depth[depth > 0]))
    chosen = torch.randint(len(rows), (count,), generator=generator).numpy()
    return torch.from_numpy(np.stack([columns[chosen], rows[chosen]], axis=1).astype(np.float32))
