"""A tiny volume with a label map, as an evaluation finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ONE_OBJECT = {3: np.s_[8:20, 10:24]}


def write_labelled_volume(folder: Path, objects: Mapping[int, tuple[slice, slice]] = ONE_OBJECT) -> Path:
    """Write image.nrrd and label.nrrd, two slices of 32 x 32, each with these objects: rows and columns by label."""
    folder.mkdir()
    labels = np.zeros((2, 32, 32), np.uint8)
    for label, (rows, columns) in objects.items():
        labels[:, rows, columns] = label
    for name, array in (("image.nrrd", labels.astype(np.int16) * 50), ("label.nrrd", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1, 1, 3))
        sitk.WriteImage(image, str(folder / name))
    return folder
