"""Dice of the validation targets by prompt, modality and size, beside the ellipse inscribed in the box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dfqsam_core.model.sam_med2d import SamMed2D

from .losses import pick, upsample
from .network import decode, embed, mixed_precision
from .prompts import BOX_LABELS, CLICK_LABELS, correction_clicks, inscribed_ellipses, pixel_xy, tight_boxes
from .randomness import Rng, constant
from .targets import random_pixel
from .validation import Case

PROMPTS = ("box", "1pt", "3pt", "5pt")
SIZES = {"100-400 px": (0, 400), "400-2000 px": (400, 2000), "2000 px and more": (2000, 10**9)}


@dataclass(frozen=True)
class Answer:
    """One target, its Dice by prompt (also "ellipse", and "best of 3" for one point) and the predicted masks."""

    modality: str
    case: int
    target: np.ndarray
    dice: dict[str, float]
    masks: dict[str, np.ndarray]


@torch.no_grad()
def evaluate(model: SamMed2D, cases: list[Case], seed: int = 7, repeats: int = 1) -> list[Answer]:
    """Answer every target of every case; point prompts are averaged over `repeats` draws of the clicks."""
    device = model.pixel_mean.device
    answers = []
    for number, case in enumerate(cases):
        pixels = torch.from_numpy(case.pixels)[None].float().to(device)
        targets = torch.from_numpy(case.masks).to(device)
        with mixed_precision(device):
            embedding = embed(model, pixels).expand(len(targets), -1, -1, -1)
        draws = [_answers(model, embedding, targets, Rng(device, seed, number, repeat)) for repeat in range(repeats)]
        ellipse = _dice(inscribed_ellipses(tight_boxes(targets), targets.shape[-1]), targets).tolist()
        for index, target in enumerate(case.masks):
            scores = {name: float(np.mean([dice[name][index] for dice, _ in draws])) for name in draws[0][0]}
            scores["ellipse"] = ellipse[index]
            masks = {name: mask[index] for name, mask in draws[0][1].items()}
            answers.append(Answer(case.modality, number, target, scores, masks))
    return answers


def _answers(
    model: SamMed2D, embedding: Tensor, targets: Tensor, rng: Rng
) -> tuple[dict[str, list[float]], dict[str, np.ndarray]]:
    count, size = len(targets), targets.shape[-1]
    masks: dict[str, Tensor] = {}
    corners = tight_boxes(targets).view(count, 2, 2)
    box_labels = constant(BOX_LABELS, targets.device).expand(count, -1)
    masks["box"] = upsample(pick(*_decode(model, embedding, corners, box_labels, None)), size) > 0
    click = pixel_xy(random_pixel(rng, targets), size)
    points = torch.stack([click, torch.zeros_like(click)], 1)
    labels = constant(CLICK_LABELS, targets.device).expand(count, -1)
    logits, quality = _decode(model, embedding, points, labels, None)
    every = upsample(logits, size) > 0
    scores = {"best of 3": torch.stack([_dice(every[:, k], targets) for k in range(3)]).amax(0).tolist()}
    chosen = pick(logits, quality)
    masks["1pt"] = upsample(chosen, size) > 0
    for clicks in range(2, 6):
        where, kind = correction_clicks(rng, upsample(chosen, size) > 0, targets, 1)
        points, labels = torch.cat([points, where], 1), torch.cat([labels, kind], 1)
        chosen = pick(*_decode(model, embedding, points, labels, chosen.sigmoid()[:, None]))
        masks[f"{clicks}pt"] = upsample(chosen, size) > 0
    scores |= {name: _dice(masks[name], targets).tolist() for name in PROMPTS}
    return scores, {name: masks[name].cpu().numpy() for name in PROMPTS}


def _decode(
    model: SamMed2D, embedding: Tensor, points: Tensor, labels: Tensor, previous: Tensor | None
) -> tuple[Tensor, Tensor]:
    with mixed_precision(points.device):
        return decode(model, embedding, points, labels, previous)


def _dice(a: Tensor, b: Tensor) -> Tensor:
    return 2 * (a & b).sum((-2, -1)) / (a.sum((-2, -1)) + b.sum((-2, -1))).clamp(min=1)


def summary(answers: list[Answer]) -> dict[str, float]:
    """Mean Dice by "modality prompt", and over all."""
    modalities = sorted({answer.modality for answer in answers})
    groups = {"all": answers} | {kind: [a for a in answers if a.modality == kind] for kind in modalities}
    return {
        f"{group} {name}": float(np.mean([answer.dice[name] for answer in chosen]))
        for group, chosen in groups.items() for name in answers[0].dice
    }  # fmt: skip


def table(answers: list[Answer]) -> str:
    """Markdown table by modality and size with 95 % bootstrap intervals over the targets."""
    names = ("ellipse", *PROMPTS, "best of 3")
    lines = ["| targets | number | " + " | ".join(names) + " | box - ellipse |", "|" + "---|" * (len(names) + 3)]
    for title, chosen in _groups(answers):
        cells = [_interval(a.dice[name] for a in chosen) for name in names]
        cells.append(_interval(a.dice["box"] - a.dice["ellipse"] for a in chosen))
        lines.append(f"| {title} | {len(chosen)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _groups(answers: list[Answer]) -> list[tuple[str, list[Answer]]]:
    groups = [("all", answers)]
    for modality in sorted({a.modality for a in answers}):
        own = [a for a in answers if a.modality == modality]
        groups.append((modality, own))
        for title, (low, high) in SIZES.items():
            part = [a for a in own if low <= a.target.sum() < high]
            if part:
                groups.append((f"{modality} {title}", part))
    return groups


def _interval(values: Iterable[float]) -> str:
    from dfqsam_core.evaluate.metrics import mean_interval

    result = mean_interval(np.array(list(values)))
    return f"{result.mean:.3f} ({result.low:.3f} to {result.high:.3f})"
