"""Masks that another network found in slices of the bank, small over large and large over small, as flat scans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .bank import BankScan


def outlined_scans(scans: Sequence[BankScan], paths: Sequence[Path]) -> list[BankScan]:
    """Flat scans of the slices that the files `paths` outline; those of scans that are not in the bank are left out.

    A file is an .npz without pickles: "cards", JSON as bytes, a list of {name, axis, slices, weight}; "masks0",
    "masks1", ...: (2, N, H, W) uint8 label maps of each card's slices.
    """
    by_name = {scan.name: scan for scan in scans}
    made = []
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            for number, card in enumerate(json.loads(archive["cards"].tobytes())):
                if card["name"] in by_name:
                    made.append(_outlined(by_name[card["name"]], card, archive[f"masks{number}"]))
    return made


def _outlined(scan: BankScan, card: dict[str, object], masks: np.ndarray) -> BankScan:
    axis, chosen = str(card["axis"]), np.array(card["slices"])
    image, annotated, tissue = (_stack(volume, axis)[chosen] for volume in (scan.image, *scan.labels[:2]))
    channels = (0.5, 0.02, 0.24, 0.24) if annotated.any() else (0.0, 0.04, 0.48, 0.48)
    spacing_mm = (1.0, *_in_plane_mm(scan.spacing_mm, axis))
    return BankScan(
        f"{scan.name}_{axis}", scan.modality, np.ascontiguousarray(image), np.stack([annotated, tissue, *masks]),
        spacing_mm, "a", float(str(card["weight"])), channels, scan.licence,
    )  # fmt: skip


def _stack(volume: np.ndarray, axis: str) -> np.ndarray:
    """Slices (N, h, w) of a volume (D, H, W): axial as they lie, coronal and sagittal with the head up."""
    if axis == "a":
        return volume
    return volume[::-1].transpose((1, 0, 2) if axis == "c" else (2, 0, 1))


def _in_plane_mm(spacing_mm: tuple[float, float, float], axis: str) -> tuple[float, float]:
    z, y, x = spacing_mm
    return {"a": (y, x), "c": (z, x), "s": (z, y)}[axis]
