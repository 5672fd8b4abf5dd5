"""The training bank: real scans as small integers in one compressed file, made once, read in a second."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .sources import PICTURES, PICTURES_LICENCE, PICTURES_WEIGHT, PICTURES_WEIGHT_PER_LABEL, TRAINING, Source

LABEL_CHANNELS = 4
MR_LEVELS = 1023
AIR_HU = -1024
# Air or noise outside the body, and the step to which bank units are rounded down: a third of the file's size.
QUIET = {"CT": 84, "MR": 16, "picture": 0}
STEP = {"CT": 4, "MR": 8, "picture": 4}


@dataclass(frozen=True)
class BankScan:
    """One scan as it is trained on.

    image: (D, H, W) int16; CT is HU + 1024 (0 is air), MR is scaled to 0..1023, 0 is background.
    labels: (4, D, H, W) uint8: annotated structures; intensity classes; watershed regions or the small masks of
    another network; groups of structures or its large masks.
    spacing_mm: z, y, x. axes: slice axes out of "acs". channels: weight of each label channel when a target is chosen.
    weight, repaint: how often its slices are drawn and its labels are painted, relative to the others.
    """

    name: str
    modality: str
    image: np.ndarray
    labels: np.ndarray
    spacing_mm: tuple[float, float, float]
    axes: str
    weight: float
    channels: tuple[float, ...]
    licence: str
    repaint: float = 0.0

    @property
    def flat(self) -> bool:
        """True where only whole slices are sampled, never tilted ones."""
        return len(self.axes) == 1


def build_bank(data: Path) -> list[BankScan]:
    """Read every training scan and picture below the data folder."""
    from .reading import read_scan

    scans = []
    for source in TRAINING:
        if not source.image:
            scans.append(_label_scan(data, source))
            continue
        scan = read_scan(data, source)
        annotated = np.zeros(scan.image.shape, np.uint8) if scan.labels is None else scan.labels
        scans.append(_bank_scan(source, scan.image, annotated, scan.spacing_mm))
    return scans + _pictures(data / PICTURES)


def _bank_scan(
    source: Source, image: np.ndarray, annotated: np.ndarray, spacing_mm: tuple[float, float, float]
) -> BankScan:
    from .regions import edge_regions, tissue_classes

    image = np.nan_to_num(image)
    codes = np.clip(image - AIR_HU, 0, 4095) if source.modality == "CT" else _scaled(image)
    groups = merged_groups(annotated, source.groups)
    labels = np.stack([annotated, tissue_classes(codes), edge_regions(codes, len(source.axes) == 1), groups])
    channels = (0.8 if annotated.any() else 0.0, 0.06, 0.14, 0.1 if groups.any() else 0.0)
    repaint = (source.weight if source.repaint is None else source.repaint) * bool(annotated.any())
    return BankScan(
        source.name, source.modality, _rounded(codes.astype(np.int16), source.modality), labels, spacing_mm,
        source.axes, source.weight, channels, source.licence, repaint,
    )  # fmt: skip


def _label_scan(data: Path, source: Source) -> BankScan:
    from .reading import read_labels
    from .regions import body_tissues

    annotated, spacing_mm = read_labels(data, source)
    groups, blank = merged_groups(annotated, source.groups), np.zeros_like(annotated)
    labels = np.stack([annotated, body_tissues(annotated, spacing_mm), blank, groups])
    channels = (0.9, 0.1, 0.0, 0.1 if groups.any() else 0.0)
    return BankScan(
        source.name, source.modality, blank.astype(np.int16), labels, spacing_mm, source.axes, 0.0, channels,
        source.licence, source.repaint or 0.0,
    )  # fmt: skip


def merged_groups(annotated: np.ndarray, groups: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Number 1, 2, ... for the voxels of each group of labels, where it is more than one of them; 0 elsewhere."""
    merged = np.zeros_like(annotated)
    for number, group in enumerate(groups, start=1):
        inside = np.isin(annotated, group)
        if len(np.unique(annotated[inside])) > 1:
            merged[inside] = number
    return merged


def _rounded(codes: np.ndarray, modality: str) -> np.ndarray:
    return np.where(codes < QUIET[modality], 0, codes) // STEP[modality] * STEP[modality]


def _scaled(image: np.ndarray) -> np.ndarray:
    low, high = float(np.min(image)), float(np.percentile(image, 99.95))
    background = float(np.median(image[image <= np.percentile(image, 5)]))
    low = background if low < background < high else low
    return np.clip((image - low) * (MR_LEVELS / max(high - low, 1e-6)), 0, MR_LEVELS).round()


def _pictures(folder: Path) -> list[BankScan]:
    from skimage.io import imread

    scans = []
    for path in sorted((folder / "images").glob("*.png")):
        image = imread(path).astype(np.float32)
        image = image[..., :3].mean(-1) if image.ndim == 3 else image
        masks = sorted((folder / "masks").glob(f"{path.stem}*.png"))
        annotated = np.zeros(image.shape, np.uint8)
        areas = [(imread(mask).reshape(*image.shape, -1)[..., 0] > 0) for mask in masks]
        for number, area in enumerate(sorted(areas, key=lambda part: -int(part.sum())), start=1):
            annotated[area] = number
        weight = PICTURES_WEIGHT + PICTURES_WEIGHT_PER_LABEL * len(masks)
        source = Source(path.stem, "picture", "", PICTURES_LICENCE, axes="a", weight=weight)
        scans.append(_bank_scan(source, image[None], annotated[None], (1.0, 1.0, 1.0)))
    return scans


def save_bank(path: Path, scans: list[BankScan]) -> None:
    """Write the bank as a compressed .npz without pickles."""
    arrays: dict[str, np.ndarray] = {}
    cards = []
    for number, scan in enumerate(scans):
        arrays[f"image{number}"], arrays[f"labels{number}"] = scan.image, scan.labels
        cards.append({
            "name": scan.name, "modality": scan.modality, "spacing_mm": scan.spacing_mm, "axes": scan.axes,
            "weight": scan.weight, "channels": scan.channels, "licence": scan.licence,
            "repaint": scan.repaint,
        })  # fmt: skip
    np.savez_compressed(path, cards=np.frombuffer(json.dumps(cards).encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def load_bank(path: Path) -> list[BankScan]:
    """Read a bank that `save_bank` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        cards = json.loads(archive["cards"].tobytes())
        return [
            BankScan(image=archive[f"image{n}"], labels=archive[f"labels{n}"],
                     **{**card, "spacing_mm": tuple(card["spacing_mm"]), "channels": tuple(card["channels"])})
            for n, card in enumerate(cards)
        ]  # fmt: skip
