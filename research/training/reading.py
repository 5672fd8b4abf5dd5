"""Reads scans and their labels with SimpleITK, in one orientation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .sources import Source


@dataclass(frozen=True)
class Scan:
    """A scan in LPS orientation.

    image: (D, H, W) float32 in z, y, x order. labels: (D, H, W) uint8 or None. spacing_mm: z, y, x.
    """

    image: np.ndarray
    labels: np.ndarray | None
    spacing_mm: tuple[float, float, float]


def read_scan(data: Path, source: Source) -> Scan:
    """Read `source` below the data folder; labels are resampled onto the image in patient space."""
    image = _read_image(data / source.image)
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    labels = np.zeros(array.shape, np.uint8) if source.labels else None
    for number, name in enumerate(source.labels, start=1):
        onto = sitk.Resample(_read_image(data / name), image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        part = sitk.GetArrayFromImage(onto).astype(np.uint8)
        assert labels is not None
        labels[part > 0] = number if source.merge else part[part > 0]
    x, y, z = image.GetSpacing()
    return Scan(array, labels, (z, y, x))


def read_labels(data: Path, source: Source) -> tuple[np.ndarray, tuple[float, float, float]]:
    """The label map (D, H, W) uint8 of a source without a scan, and its spacing z, y, x."""
    label = _read_image(data / source.labels[0])
    x, y, z = label.GetSpacing()
    return sitk.GetArrayFromImage(label).astype(np.uint8), (z, y, x)


def _read_image(path: Path) -> sitk.Image:
    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        return sitk.DICOMOrient(reader.Execute(), "LPS")
    image = sitk.ReadImage(str(path))
    if image.GetNumberOfComponentsPerPixel() > 1:
        image = sitk.VectorIndexSelectionCast(image, 0)
    return sitk.DICOMOrient(image, "LPS") if image.GetDimension() == 3 else image
