"""Overlap of binary masks, and the uncertainty of a mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice coefficient 2|A and B| / (|A| + |B|) of two masks, 0..1.

    Parameters
    ----------
    a, b
        Of one shape, boolean, or numbers of which every non-zero one counts. Two empty masks agree: 1.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    shared, size_a, size_b = _sizes(a, b)
    return 1.0 if size_a + size_b == 0 else 2.0 * shared / (size_a + size_b)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union |A and B| / |A or B| of two masks, 0..1.

    Parameters
    ----------
    a, b
        As in `dice`. Two empty masks agree: 1.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    shared, size_a, size_b = _sizes(a, b)
    return 1.0 if size_a + size_b == 0 else shared / (size_a + size_b - shared)


def _sizes(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    if np.shape(a) != np.shape(b):
        raise ValueError(f"Masks of different shapes cannot be compared: {np.shape(a)} and {np.shape(b)}.")
    first, second = np.asarray(a) != 0, np.asarray(b) != 0
    return int(np.count_nonzero(first & second)), int(np.count_nonzero(first)), int(np.count_nonzero(second))


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval; low and high are NaN below two values."""

    mean: float
    low: float
    high: float


def mean_interval(values: np.ndarray, seed: int = 0) -> Interval:
    """Return the mean of `values` (n,) with a percentile bootstrap interval at 95 % (2000 resamples).

    Give paired differences to get the interval of a paired comparison.
    """
    # Takes a second to import, which those who only want a Dice need not wait for.
    from scipy.stats import bootstrap

    mean = float(np.mean(values)) if len(values) else float("nan")
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    result = bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed))
    return Interval(mean, float(result.confidence_interval.low), float(result.confidence_interval.high))


def points(interval: Mapping[str, float]) -> str:
    """A mean of Dice with its interval in points, "+0.52 [+0.33, +0.70]"; the mean alone where there is none."""
    mean, low, high = (100 * interval[name] for name in ("mean", "low", "high"))
    return f"{mean:+.2f}" if math.isnan(low) else f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
