"""Writes the prompts of the embedded CT slab from its labels: one prompt an organ, on a slice that shows it well.

Run: python tools/make_sample_prompts.py Resources/SampleData
Organ names are TotalSegmentator's class names. Positions are RAS in mm, rounded to 0.1 mm.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

# name, label value, slice along K, kind of prompt
ORGANS = (
    ("liver", 5, 24, "box"),
    ("spleen", 1, 22, "box"),
    ("kidney_right", 2, 14, "box"),
    ("kidney_left", 3, 11, "box and point"),
    ("vertebra_L1", 31, 13, "box"),
)


def main(folder: Path) -> None:
    """Write prompts.json into `folder`, which holds ct_abdomen_labels.nii.gz."""
    labels = sitk.ReadImage(str(folder / "ct_abdomen_labels.nii.gz"))
    segments = [
        {"name": name, "label": value, "prompts": prompts(labels, value, k, kind)} for name, value, k, kind in ORGANS
    ]
    lines = ",\n  ".join(json.dumps(segment) for segment in segments)
    text = f'{{"coordinate_system": "RAS", "segments": [\n  {lines}]}}\n'
    (folder / "prompts.json").write_text(text, encoding="utf-8")


def prompts(labels: sitk.Image, value: int, k: int, kind: str) -> list[dict[str, Any]]:
    """Prompts for the organ `value` on slice `k`: its tight box, and its innermost voxel as a click where asked for."""
    mask = sitk.GetArrayViewFromImage(labels)[k] == value
    rows, columns = np.nonzero(mask)
    corners = [(columns.min(), rows.min(), k), (columns.max(), rows.max(), k)]
    found: list[dict[str, Any]] = [{"type": "box", "corners": [ras(labels, c) for c in corners], "axis": "K"}]
    if "point" in kind:
        found.append({"type": "point", "position": ras(labels, innermost(mask, k)), "positive": True, "axis": "K"})
    return found


def innermost(mask: np.ndarray, k: int) -> tuple[int, int, int]:
    """Voxel (i, j, k) of the mask (J, I) that lies farthest from the mask's edge."""
    distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(sitk.GetImageFromArray(mask.astype(np.uint8)), True))
    j, i = np.unravel_index(int(distance.argmax()), mask.shape)
    return int(i), int(j), k


def ras(image: sitk.Image, ijk: tuple[int, int, int]) -> list[float]:
    """Centre of voxel (i, j, k) in RAS mm; ITK itself speaks LPS."""
    x, y, z = image.TransformIndexToPhysicalPoint([int(n) for n in ijk])
    return [round(-x, 1), round(-y, 1), round(z, 1)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
