"""Validation slices of subjects never trained on, prepared as the predictor prepares them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage as ndi

from dfqsam_core.base.interpolation import resize_bilinear, resize_nearest

from .fields import SIZE
from .sources import VALIDATION

SMALLEST_PX = 100
CT_WINDOW_HU = (-160.0, 240.0)
PROTOCOLS = ("squashed", "aspect")


@dataclass(frozen=True)
class Case:
    """One slice: pixels (SIZE, SIZE) uint8 and its targets (N, SIZE, SIZE) bool, each of at least 100 pixels."""

    modality: str
    protocol: str
    pixels: np.ndarray
    masks: np.ndarray


def build_validation(data: Path, target: Path) -> None:
    """Write every second axial slice of the validation scans, under both protocols, to one .npz.

    squashed: resized to the square by the nearest-lower pixel, as SAM-Med2D's predictor does. aspect: true proportions,
    linear, padded, as the first compact model was validated.
    """
    from .reading import read_scan

    pixels, labels, modalities, protocols = [], [], [], []
    for source in VALIDATION:
        scan = read_scan(data, source)
        assert scan.labels is not None
        for image, label in list(zip(scan.image, scan.labels, strict=True))[::2]:
            gray = _to_gray(image, source.modality)
            for protocol in PROTOCOLS:
                squash = protocol == "squashed"
                resized = _squashed(gray, label) if squash else _aspect(gray, label, scan.spacing_mm[1:])
                pixels.append(resized[0])
                labels.append(resized[1])
                modalities.append(source.modality)
                protocols.append(protocol)
    arrays = {"pixels": np.stack(pixels), "labels": np.stack(labels)}
    np.savez_compressed(target, modality=np.array(modalities), protocol=np.array(protocols), **arrays)  # type: ignore[arg-type]


def load_validation(path: Path, protocol: str) -> list[Case]:
    """Cases of one protocol: in each slice the largest connected part of every class, where it has 100 pixels."""
    with np.load(path, allow_pickle=False) as archive:
        chosen = np.flatnonzero(archive["protocol"] == protocol)
        pixels, labels, modality = (archive[name][chosen] for name in ("pixels", "labels", "modality"))
    cases = []
    for image, label, kind in zip(pixels, labels, modality, strict=True):
        parts = [largest_part(label == number) for number in np.unique(label[label > 0])]
        masks = [part for part in parts if part.sum() >= SMALLEST_PX]
        if masks:
            cases.append(Case(str(kind), protocol, image, np.stack(masks)))
    return cases


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest 8-connected part of a mask (H, W)."""
    parts, count = ndi.label(mask, np.ones((3, 3)))
    return mask if count < 2 else parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))


def _to_gray(image: np.ndarray, modality: str) -> np.ndarray:
    low, high = CT_WINDOW_HU if modality == "CT" else np.percentile(image[image > image.min()], (0.5, 99.5))
    return np.clip((image - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)


def _squashed(gray: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return resize_nearest(gray, SIZE, SIZE), resize_nearest(label, SIZE, SIZE)


def _aspect(gray: np.ndarray, label: np.ndarray, spacing_mm: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    size_mm = np.array(gray.shape) * spacing_mm
    height, width = (size_mm / size_mm.max() * SIZE).round().astype(int)
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    around = ((top, SIZE - height - top), (left, SIZE - width - left))
    image = resize_bilinear(gray, height, width).round().astype(np.uint8)
    return np.pad(image, around), np.pad(resize_nearest(label, height, width), around)
