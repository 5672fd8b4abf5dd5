"""Where the phantoms of the Slicer tests lie: oblique, anisotropic, off-origin, under a rotated and moved parent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

# From a volume's own frame to the world, (4, 4) RAS.
PARENT = np.array([[0.96, -0.28, 0.0, 5.0], [0.28, 0.96, 0.0, -7.5], [0.0, 0.0, 1.0, 11.25], [0, 0, 0, 1.0]])


def write_oblique(path: Path, voxels_kji: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    """Write voxels as an image that is moved, and rotated by 0.3 rad about two axes; returns it."""
    image = sitk.GetImageFromArray(voxels_kji)
    image.SetSpacing(spacing)
    image.SetOrigin((-31.5, 22.25, 101.0))
    c, s = np.cos(0.3), np.sin(0.3)
    about_s, about_r = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    image.SetDirection((about_s @ about_r).ravel().tolist())
    sitk.WriteImage(image, str(path))
    return image


def world_of(image: sitk.Image, ijk: Any, parent: np.ndarray = PARENT) -> np.ndarray:
    """RAS of a voxel position in the world, by SimpleITK and the transform above it."""
    left_posterior = image.TransformContinuousIndexToPhysicalPoint([float(n) for n in ijk])
    return (parent @ [-left_posterior[0], -left_posterior[1], left_posterior[2], 1.0])[:3]


def voxel_of(image: sitk.Image, world_ras: Any, parent: np.ndarray = PARENT) -> tuple[int, int, int]:
    """The nearest voxel to a point of the world, by SimpleITK."""
    right, anterior, superior = np.linalg.solve(parent, [*world_ras, 1.0])[:3]
    return image.TransformPhysicalPointToIndex([-right, -anterior, superior])
