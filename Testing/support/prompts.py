"""Prompts as they may come, and propagation that goes anywhere."""

from __future__ import annotations

import numpy as np

from dfqsam_core.volume import BoxPrompt, PointPrompt, PropagationConfig
from dfqsam_core.volume.prompts import Prompt

# Stops at the end of its range only.
ANYWHERE = PropagationConfig(min_predicted_iou=0, min_overlap=0, max_area_ratio=1000, min_stability=0, min_likeness=0)


def random_prompt(rng: np.random.Generator, shape_ijk: tuple[int, int, int]) -> Prompt:
    """A box, a positive or a negative point anywhere in a volume, on a slice along any axis."""
    axis = "IJK"[rng.integers(3)]
    a, b = rng.integers(0, shape_ijk, (2, 3)).tolist()
    b["IJK".index(axis)] = a["IJK".index(axis)]
    if rng.random() < 0.4:
        # A hand draws none that is narrower than 3 voxels.
        b = [
            m if n == "IJK".index(axis) or abs(m - k) > 1 else (k + 2 if k + 2 < size else k - 2)
            for n, (k, m, size) in enumerate(zip(a, b, shape_ijk, strict=True))
        ]
        return BoxPrompt.from_corners(tuple(a), tuple(b), axis)
    return PointPrompt(tuple(a), bool(rng.random() < 0.7), axis)
