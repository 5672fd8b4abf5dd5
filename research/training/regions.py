"""Pseudo labels without any network: watershed regions whose borders are real edges of the image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi
from skimage.filters import threshold_multiotsu
from skimage.measure import label as connected
from skimage.segmentation import watershed

LAST_REGION = 250
SKIN_MM, GAP_MM = (4.0, 22.0), 12.0


def edge_regions(image: np.ndarray, flat: bool, seed: int = 0) -> np.ndarray:
    """Split a scan (D, H, W) float into basins of its gradient, uint8 numbers that repeat far apart, 0 is background.

    flat: treat every slice on its own, for scans of thick slices.
    """
    if flat:
        return np.stack([_regions(part, seed + number) for number, part in enumerate(image)])
    return _regions(image, seed)


def body_tissues(annotated: np.ndarray, spacing_mm: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    """Classes 0..5 (uint8) for the room between annotated structures: outside, skin and fat, four soft tissues.

    annotated: (D, H, W) uint8. The body is the filled hull of the structures, the tissues are level sets of noise.
    """
    rng = np.random.default_rng(seed)
    step = tuple(max(1, round(4.0 / mm)) for mm in spacing_mm)
    coarse = np.pad(annotated[tuple(slice(None, None, n) for n in step)] > 0, 6)
    sampling = [mm * n for mm, n in zip(spacing_mm, step, strict=True)]
    grown = ndi.distance_transform_edt(~coarse, sampling) < GAP_MM
    filled = np.stack([ndi.binary_fill_holes(part) for part in grown])
    depth = ndi.distance_transform_edt(filled, sampling)[6:-6, 6:-6, 6:-6]
    noise = sum(ndi.gaussian_filter(rng.standard_normal(depth.shape), s) * s**1.5 for s in (1.5, 3.0, 6.0))
    tissue = 2 + np.digitize(noise, np.quantile(noise, (0.3, 0.55, 0.8)))
    tissue[depth < rng.uniform(*SKIN_MM)] = 1
    tissue[depth <= 0] = 0
    factors = [a / b for a, b in zip(annotated.shape, tissue.shape, strict=True)]
    return ndi.zoom(tissue.astype(np.uint8), factors, order=0, grid_mode=True, mode="nearest")


def tissue_classes(image: np.ndarray) -> np.ndarray:
    """Classes of intensity 0..4 (uint8) of a scan between its 1st and 99th percentile, by Otsu's thresholds."""
    low, high = np.percentile(image[image > image.min()], (1, 99))
    smooth = ndi.gaussian_filter(np.clip(image, low, high), 0.7)
    thresholds = threshold_multiotsu(smooth.ravel()[:: max(1, smooth.size // 200_000)], classes=5, nbins=128)
    return np.digitize(smooth, thresholds).astype(np.uint8)


def _regions(image: np.ndarray, seed: int) -> np.ndarray:
    scale = _unit_range(image)
    smooth = ndi.gaussian_filter(scale, 1.0)
    gradient = ndi.gaussian_gradient_magnitude(scale, 1.2)
    calm = gradient < np.percentile(gradient[smooth > 0.08], 30)
    basins = connected(calm, connectivity=1)
    basins[basins > 0] *= np.bincount(basins.ravel())[basins[basins > 0]] > (12 if image.ndim == 2 else 40)
    regions = watershed(gradient, basins)
    count = int(regions.max()) + 1
    sizes = np.bincount(regions.ravel(), minlength=count)
    means = np.bincount(regions.ravel(), smooth.ravel(), minlength=count) / np.maximum(sizes, 1)
    order = np.random.default_rng(seed).permutation(count)
    numbers = (1 + order % LAST_REGION).astype(np.uint8)
    numbers[means < 0.03] = 0
    return numbers[regions]


def _unit_range(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image[image > image.min()], (1, 99))
    return np.clip((image - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
