"""Which pixels a closed polygon holds, in exact integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def filled_polygon(vertices_xy: Sequence[tuple[int, int]], shape: tuple[int, int]) -> np.ndarray:
    """Mask (H, W) bool of `shape`: the pixels whose centres a polygon goes round, and those on its line.

    vertices_xy: corners on pixel centres inside the image; the last is joined to the first. A centre is inside where
    the winding number is not zero, so that what a hand goes round twice is no hole.
    """
    winding = np.zeros(shape, np.int32)
    line = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(vertices_xy, [*vertices_xy[1:], *vertices_xy[:1]], strict=True):
        # A row belongs to the edge from its upper end on: a corner between two edges counts once.
        rows = np.arange(min(y0, y1), max(y0, y1))
        if len(rows):
            columns = x0 + (rows - y0) * (x1 - x0) // (y1 - y0)
            winding[rows, columns] += 1 if y1 > y0 else -1
        steps = math.gcd(x1 - x0, y1 - y0)
        along = np.arange(steps + 1)
        line[y0 + along * (y1 - y0) // max(steps, 1), x0 + along * (x1 - x0) // max(steps, 1)] = True
    # A pixel right of an edge's column is right of the edge, one in it is left of the edge or on its line.
    crossed = np.cumsum(winding, axis=1) - winding
    return (crossed != 0) | line
