"""Boxes and clicks, as SAM-Med2D's training and evaluation make them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .randomness import Rng, constant
from .targets import random_pixel

NO_POINT = -1
# SAM's labels of the two corners of a box, and of a positive click with the empty point that follows it.
BOX_LABELS, CLICK_LABELS = (2, 3), (1, NO_POINT)


def tight_boxes(masks: Tensor) -> Tensor:
    """Boxes (N, 4) float32 around masks (N, H, W) bool, xyxy with exclusive ends; empty masks give the whole image."""
    ends = []
    for axis in (1, 2):
        line = masks.any(axis)
        place = torch.arange(line.shape[1], device=masks.device)
        first = torch.where(line, place, line.shape[1]).amin(1)
        last = torch.where(line, place + 1, 0).amax(1)
        ends.append((torch.where(first < last, first, 0), torch.where(first < last, last, line.shape[1])))
    (x0, x1), (y0, y1) = ends
    return torch.stack([x0, y0, x1, y1], 1).float()


def inscribed_ellipses(boxes: Tensor, size: int) -> Tensor:
    """Ellipses (N, size, size) bool that fill boxes (N, 4): `dfqsam_core.evaluate.ellipse` for many at once.

    A copy, because that room needs SimpleITK, which a training machine may lack; a test holds the two together.
    """
    centre, radius = (boxes[:, :2] + boxes[:, 2:]) / 2, ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=0.5)
    pixel = torch.arange(size, device=boxes.device) + 0.5
    x, y = (((pixel - centre[:, axis, None]) / radius[:, axis, None]) ** 2 for axis in (0, 1))
    return x[:, None, :] + y[:, :, None] <= 1


def loosened(rng: Rng, boxes: Tensor, size: int) -> Tensor:
    """Move the sides of 40 % of the boxes by a few per cent of their length; the others stay tight."""
    side = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    noise = (rng.normal(*boxes.shape) * side * 0.04 + rng.uniform(*boxes.shape, low=-1, high=1)).clamp(-10, 10)
    return (boxes + noise * rng.coin(len(boxes), 1, chance=0.4)).clamp(0, size)


def first_prompts(rng: Rng, masks: Tensor, box_share: float) -> tuple[Tensor, Tensor]:
    """A box or one click for each mask (N, H, W). Returns coordinates (N, 2, 2) as x, y and labels (N, 2)."""
    count, size = len(masks), masks.shape[-1]
    corners = loosened(rng, tight_boxes(masks), size).view(count, 2, 2)
    box_labels, click_labels = (constant(pair, masks.device) for pair in (BOX_LABELS, CLICK_LABELS))
    central = _surrounded(masks) ** 4
    weight = torch.where(rng.coin(count, 1, 1, chance=0.3), central, torch.ones_like(central))
    click = pixel_xy(random_pixel(rng, masks, weight), size)
    is_box = rng.coin(count, chance=box_share)[:, None]
    clicked = torch.stack([click, torch.zeros_like(click)], 1)
    labels = torch.where(is_box, box_labels, click_labels)
    return torch.where(is_box[..., None], corners, clicked), labels


def _surrounded(masks: Tensor) -> Tensor:
    """Share (N, H, W) of the mask among the 17 x 17 pixels around each pixel."""
    rows = F.avg_pool2d(masks[:, None].to(torch.bfloat16), (1, 17), 1, (0, 8))
    return F.avg_pool2d(rows, (17, 1), 1, (8, 0))[:, 0].float()


def correction_clicks(rng: Rng, predicted: Tensor, target: Tensor, clicks: int) -> tuple[Tensor, Tensor]:
    """Clicks where the prediction is wrong: positive on missed, negative on wrongly covered pixels.

    predicted, target: (N, H, W) bool. Returns coordinates (N, clicks, 2) and labels (N, clicks); where nothing is
    wrong, a click inside the target.
    """
    wrong = predicted ^ target
    wrong = torch.where(wrong.flatten(1).any(1)[:, None, None], wrong, target)
    places = torch.stack([random_pixel(rng, wrong) for _ in range(clicks)], 1)
    labels = torch.gather(target.flatten(1), 1, places).long()
    return pixel_xy(places, target.shape[-1]), labels


def pixel_xy(place: Tensor, width: int) -> Tensor:
    """Flat pixel indices (...) to coordinates (..., 2) as x, y; the prompt encoder itself adds the half pixel."""
    return torch.stack([place % width, place // width], -1).float()
