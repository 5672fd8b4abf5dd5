"""Prepared images, real, blended and procedural, and the targets chosen in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .acquisition import acquire, random_curve
from .anatomy import BODY, LESIONS, SKIN, folded_labels, organ_labels
from .appearance import paint
from .bank import LABEL_CHANNELS, BankScan
from .fields import deformed_grid
from .planes import DeviceScan, sample_slices, to_device, windowed
from .randomness import Rng, constant
from .targets import choose_targets

# Shares of real slices, real label maps with painted appearance, procedural organs and folded tissue, and how much
# each of them is deformed: see `deformed_grid`.
MIX = (0.48, 0.27, 0.20, 0.05)
ROTATION, SHEAR, ELASTIC = (0.25, 0.25, 0.5, 0.5), (0.08, 0.08, 0.15, 0.2), (0.05, 0.12, 0.15, 0.1)
REAL_SCANS, REPAINTED_SCANS = 8, 5
BLENDED_SHARE = LESION_SHARE = 0.3

Part = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Prepared:
    """Images with everything that is known about them.

    pixels: (B, SIZE, SIZE) float32, whole values 0..255. labels: (B, C, SIZE, SIZE) uint8. channels: (B, C) float32
    weights of the label channels when a target is chosen.
    """

    pixels: Tensor
    labels: Tensor
    channels: Tensor


@dataclass(frozen=True)
class Batch:
    """pixels: (B, SIZE, SIZE) float32 0..255. masks: (B * P, SIZE, SIZE) bool. usable: (B * P,) bool.

    annotated: (B * P,) bool, whether the target is an annotated structure and no region, class or group of them.
    """

    pixels: Tensor
    masks: Tensor
    usable: Tensor
    annotated: Tensor


class BatchMaker:
    """Prepares images on `device` from the bank; what it makes depends on its `Rng` alone."""

    def __init__(self, scans: list[BankScan], device: torch.device) -> None:
        self.device = device
        self.scans = [to_device(scan, device) for scan in scans]
        weights = torch.tensor([scan.weight for scan in scans], dtype=torch.float64)
        self.chances = (weights / weights.sum()).numpy()
        annotated = torch.tensor([scan.repaint for scan in scans], dtype=torch.float64)
        self.annotated_chances = (annotated / annotated.sum()).numpy()

    @torch.no_grad()
    def prepare(self, rng: Rng, images: int) -> Prepared:
        """`images` new images, grouped by what they were made of."""
        counts = rng.split(images, MIX)
        kind = torch.repeat_interleave(torch.arange(len(MIX)), torch.tensor(counts)).to(rng.device)
        strengths = (constant(values, rng.device)[kind] for values in (ROTATION, SHEAR, ELASTIC))
        canvases = deformed_grid(rng, *strengths).split(counts)
        makers = (self._real, self._repainted, _organs, _folded)
        parts = [make(rng, canvas) for make, canvas in zip(makers, canvases, strict=True) if len(canvas)]
        image, labels, channels = (torch.cat(column) for column in zip(*parts, strict=True))
        pixels, labels = acquire(rng, image, labels)
        return Prepared(pixels, labels, channels)

    def _draw(
        self, rng: Rng, canvas: Tensor, chances: np.ndarray, scans: int
    ) -> list[tuple[DeviceScan, Tensor, Tensor]]:
        chosen = rng.host.choice(len(self.scans), scans, p=chances)
        parts = canvas.split(rng.split(len(canvas), (1.0,) * scans))
        sources = [self.scans[index] for index in chosen]
        return [
            (source, *sample_slices(rng, source, part))
            for source, part in zip(sources, parts, strict=True)
            if len(part)
        ]

    def _real(self, rng: Rng, canvas: Tensor) -> Part:
        """Real slices; some are blended with a painting of their own labels, some get small lesions."""
        images, maps, channels = [], [], []
        for source, raw, labels in self._draw(rng, canvas, self.chances, REAL_SCANS):
            images.append(random_curve(rng, windowed(rng, raw, source.scan.modality), chance=0.3))
            maps.append(labels)
            channels.append(source.channels.expand(len(raw), -1))
        image, label_map, weights = torch.cat(images), torch.cat(maps), torch.cat(channels)
        blended, diseased = rng.some(len(image), BLENDED_SHARE), rng.some(len(image), LESION_SHARE)
        if len(blended):
            share = rng.uniform(len(blended), 1, 1, low=0.1, high=0.7)
            image[blended] = torch.lerp(image[blended], paint(rng, label_map[blended, 0]), share)
        if len(diseased):
            _add_lesions(rng, diseased, image, label_map, weights)
        return image, label_map, weights

    def _repainted(self, rng: Rng, canvas: Tensor) -> Part:
        """Real label maps, strongly deformed, with a painted appearance."""
        labels = torch.cat([part[2] for part in self._draw(rng, canvas, self.annotated_chances, REPAINTED_SCANS)])
        backdrop = torch.where(labels[:, 0] > 0, labels[:, 0], 200 + labels[:, 1])
        weights = constant((0.9, 0.1, 0.0, 0.1), rng.device).expand(len(labels), -1)
        return paint(rng, backdrop), labels, weights


@torch.no_grad()
def with_targets(rng: Rng, prepared: Prepared, prompts: int, area_power: float = 0.0) -> Batch:
    """Choose `prompts` targets in each image; area_power as in `choose_targets`."""
    return Batch(prepared.pixels, *choose_targets(rng, prepared.labels, prepared.channels, prompts, area_power))


def _organs(rng: Rng, canvas: Tensor) -> Part:
    return _procedural(rng, organ_labels(rng, canvas))


def _folded(rng: Rng, canvas: Tensor) -> Part:
    return _procedural(rng, folded_labels(rng, canvas))


def _procedural(rng: Rng, labels: Tensor) -> Part:
    stack = torch.zeros(len(labels), LABEL_CHANNELS, *labels.shape[1:], dtype=torch.uint8, device=rng.device)
    stack[:, 0] = labels
    weights = constant((1.0, 0.0, 0.0, 0.0), rng.device).expand(len(labels), -1)
    return paint(rng, labels), stack, weights


def _add_lesions(rng: Rng, chosen: Tensor, image: Tensor, labels: Tensor, weights: Tensor) -> None:
    """Paint a few procedural blobs into the `chosen` slices; they replace the watershed channel there."""
    count = len(chosen)
    spread = (torch.full((count,), value, device=rng.device) for value in (0.5, 0.15, 0.1))
    blobs = organ_labels(rng, 1.6 * deformed_grid(rng, *spread), LESIONS)
    number = torch.arange(64, device=rng.device)
    keep = (rng.uniform(count, 64) < 0.5) & (number > BODY) & (number < SKIN)
    place = blobs.flatten(1).long()
    shown = torch.gather(keep, 1, place).view_as(blobs) & (image[chosen] > 0.04)
    change = torch.gather(rng.normal(count, 64, std=0.2), 1, place).view_as(image[chosen])
    image[chosen] += change * shown
    affected = shown.flatten(1).any(1)
    labels[chosen, 2] = torch.where(affected[:, None, None], blobs * shown, labels[chosen, 2])
    lesion_weights = constant((0.5, 0.05, 0.45, 0.1), rng.device)
    weights[chosen] = torch.where(affected[:, None], lesion_weights, weights[chosen])
