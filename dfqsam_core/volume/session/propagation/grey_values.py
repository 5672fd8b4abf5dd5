"""Whether a mask on another slice covers what the segment covers on its prompted one: a test by grey values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..mask_prompts import box_slices

_BINS = 32
# Added to the share of every bin: what was hardly seen decides nothing.
_FLOOR, _MOST = 0.078, 3.0
# Log-likelihood ratio by which segment and surroundings must differ for the test to say anything.
_LEAST_DIFFERENCE = 0.3
_CORE_PIXELS = 20
# Of the smoothing, and how far it reaches, in pixels.
_SIGMA, _SIGMA_REACH = 0.7, 4


@dataclass(frozen=True, eq=False)
class GreyValues:
    """The grey values that set a segment apart from its surroundings on its prompted slice.

    ratio: (32,) log-likelihood ratio of a grey value, segment over ring around it. inside, outside: mean of it in the
    segment and in the ring.
    """

    ratio: np.ndarray
    inside: float
    outside: float

    @classmethod
    def of(cls, mask: np.ndarray, image: np.ndarray) -> GreyValues:
        """mask: (H, W) bool, not empty; image: (H, W) uint8 as the model sees it."""
        from scipy.ndimage import binary_dilation, binary_erosion

        width = max(2, round(0.25 * np.sqrt(np.count_nonzero(mask))))
        part = box_slices(mask, width + _SIGMA_REACH)
        mask, image = mask[part], image[part]
        ring = binary_dilation(mask, iterations=width) & ~mask
        eroded = binary_erosion(mask)
        core = eroded if np.count_nonzero(eroded) > _CORE_PIXELS else mask
        if not ring.any():
            return cls(np.zeros(_BINS), 0.0, 0.0)
        ratio = np.clip(np.log(_shares(image[core]) / _shares(image[ring])), -_MOST, _MOST)
        likeness = _likeness(ratio, image)
        return cls(ratio, float(likeness[mask].mean()), float(likeness[ring].mean()))

    def share(self, mask: np.ndarray, image: np.ndarray) -> float:
        """How far a mask (H, W), not empty, is from the surroundings (0) to the segment (1); 1 where they are alike."""
        difference = self.inside - self.outside
        if difference <= _LEAST_DIFFERENCE:
            return 1.0
        part = box_slices(mask, _SIGMA_REACH)
        likeness = float(_likeness(self.ratio, image[part])[mask[part]].mean())
        return min(max((likeness - self.outside) / difference, 0.0), 1.0)


def _shares(values: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    counts = np.bincount(values // (256 // _BINS), minlength=_BINS).astype(np.float64)
    smooth = gaussian_filter1d(counts / counts.sum(), 1.0, mode="nearest") + _FLOOR
    shares: np.ndarray = smooth / smooth.sum()
    return shares


def _likeness(ratio: np.ndarray, image: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    likeness: np.ndarray = gaussian_filter(ratio[image // (256 // _BINS)], _SIGMA)
    return likeness
