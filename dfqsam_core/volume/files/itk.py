"""Arrays on a grid as images of SimpleITK."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import VolumeGeometry


def image_of(array_kji: np.ndarray, geometry: VolumeGeometry) -> Any:
    """SimpleITK image of an array (K, J, I) on the grid `geometry`."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(array_kji)
    lps = np.diag([-1.0, -1.0, 1.0])
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin((lps @ geometry.ijk_to_ras[:3, 3]).tolist())
    image.SetDirection((lps @ geometry.directions_ras).ravel().tolist())
    return image
