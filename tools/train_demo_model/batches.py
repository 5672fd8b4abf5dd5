"""A training batch: real slices, blends and procedural anatomies, with targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .acquisition import acquire, random_curve
from .anatomy import BODY, SKIN, folded_labels, organ_labels
from .appearance import paint
from .bank import LABEL_CHANNELS, BankScan
from .fields import deformed_grid
from .planes import DeviceScan, sample_slices, to_device, windowed
from .randomness import Rng, constant
from .targets import choose_targets

# Shares of real slices, real label maps with painted appearance, procedural organs and folded tissue.
MIX = (0.40, 0.20, 0.35, 0.05)
SCANS_PER_BATCH = 6


@dataclass(frozen=True)
class Batch:
    """pixels: (B, SIZE, SIZE) float32 0..255. masks: (B * P, SIZE, SIZE) bool. usable: (B * P,) bool."""

    pixels: Tensor
    masks: Tensor
    usable: Tensor


class BatchMaker:
    """Makes batches on `device` from the bank; a batch depends on its `Rng` alone."""

    def __init__(self, scans: list[BankScan], device: torch.device) -> None:
        self.scans = [to_device(scan, device) for scan in scans]
        weights = torch.tensor([scan.weight for scan in scans], dtype=torch.float64)
        self.chances = (weights / weights.sum()).numpy()
        annotated = torch.tensor([scan.weight * (scan.channels[0] > 0) for scan in scans], dtype=torch.float64)
        self.annotated_chances = (annotated / annotated.sum()).numpy()

    @torch.no_grad()
    def make(self, rng: Rng, images: int, prompts: int) -> Batch:
        """A batch of `images` images with `prompts` targets each."""
        makers = (self._real, self._repainted, _organs, _folded)
        parts = [make(rng, count) for make, count in zip(makers, rng.split(images, MIX), strict=True) if count]
        image, labels, channels = (torch.cat(column) for column in zip(*parts, strict=True))
        pixels, labels = acquire(rng, image, labels)
        masks, usable = choose_targets(rng, labels, channels, prompts)
        return Batch(pixels, masks, usable)

    def _draw(self, rng: Rng, count: int, chances: object, elastic: float) -> list[tuple[DeviceScan, Tensor, Tensor]]:
        chosen = rng.host.choice(len(self.scans), SCANS_PER_BATCH, p=chances)
        counts = rng.split(count, (1.0,) * SCANS_PER_BATCH)
        drawn = []
        for index, number in zip(chosen, counts, strict=True):
            if number:
                image, labels = sample_slices(rng, self.scans[index], number, elastic)
                drawn.append((self.scans[index], image, labels))
        return drawn

    def _real(self, rng: Rng, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Real slices; a third is blended with a painting of its own labels, a third gets small lesions."""
        images, maps, channels = [], [], []
        for source, raw, labels in self._draw(rng, count, self.chances, elastic=0.05):
            images.append(random_curve(rng, windowed(rng, raw, source.scan.modality), chance=0.3))
            maps.append(labels)
            channels.append(source.channels.expand(len(raw), -1))
        image, label_map, weights = torch.cat(images), torch.cat(maps), torch.cat(channels)
        count = len(image)
        share = rng.uniform(count, 1, 1, low=0.1, high=0.7) * rng.coin(count, 1, 1, chance=0.3)
        image = image + share * (paint(rng, label_map[:, 0].long()) - image)
        return _with_lesions(rng, image, label_map, weights)

    def _repainted(self, rng: Rng, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Real label maps, strongly deformed, with a painted appearance."""
        labels = torch.cat([part[2] for part in self._draw(rng, count, self.annotated_chances, elastic=0.12)])
        classes = labels[:, 1].long()
        backdrop = torch.where(labels[:, 0] > 0, labels[:, 0].long(), 200 + classes)
        weights = constant((0.9, 0.1, 0.0), rng.device).expand(len(labels), -1)
        return paint(rng, backdrop), labels, weights


def _organs(rng: Rng, count: int) -> tuple[Tensor, Tensor, Tensor]:
    return _procedural(rng, organ_labels(rng, deformed_grid(rng, count, rotation=0.5, shear=0.15, elastic=0.15)))


def _folded(rng: Rng, count: int) -> tuple[Tensor, Tensor, Tensor]:
    return _procedural(rng, folded_labels(rng, deformed_grid(rng, count, rotation=0.5, shear=0.2, elastic=0.1)))


def _procedural(rng: Rng, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    stack = torch.zeros(len(labels), LABEL_CHANNELS, *labels.shape[1:], dtype=torch.uint8, device=rng.device)
    stack[:, 0] = labels
    weights = constant((1.0, 0.0, 0.0), rng.device).expand(len(labels), -1)
    return paint(rng, labels), stack, weights


def _with_lesions(rng: Rng, image: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Paint a few procedural blobs into a third of the slices; they replace the watershed channel there."""
    count = len(image)
    blobs = organ_labels(rng, 1.6 * deformed_grid(rng, count, rotation=0.5, shear=0.15, elastic=0.1))
    number = torch.arange(64, device=rng.device)
    keep = (rng.uniform(count, 64) < 0.2) & (number > BODY) & (number < SKIN)
    shown = torch.gather(keep, 1, blobs.flatten(1)).view_as(blobs) & (image > 0.04)
    shown = shown & rng.coin(count, 1, 1, chance=0.33)
    change = torch.gather(rng.normal(count, 64, std=0.2), 1, blobs.flatten(1)).view_as(blobs)
    mixed = labels.clone()
    affected = shown.flatten(1).any(1)
    mixed[:, 2] = torch.where(affected[:, None, None], (blobs * shown).to(torch.uint8), labels[:, 2])
    lesion_weights = constant((0.5, 0.05, 0.45), rng.device)
    return image + change * shown, mixed, torch.where(affected[:, None], lesion_weights, weights)
