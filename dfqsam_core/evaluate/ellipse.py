"""The answer of somebody who never looks at the image: the ellipse that fills the box."""

from __future__ import annotations

import numpy as np


def inscribed_ellipse(box_xyxy: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the ellipse inscribed in a box as a boolean mask.

    box_xyxy: (4,) pixel edges x0, y0, x1, y1; x1 and y1 are exclusive, so a box of one pixel is (x, y, x + 1, y + 1).
    shape: (height, width) of the mask. A pixel belongs to the ellipse when its centre (x + 0.5, y + 0.5) does.
    """
    x0, y0, x1, y1 = (float(value) for value in box_xyxy)
    x = (np.arange(shape[1]) + 0.5 - (x0 + x1) / 2) / max((x1 - x0) / 2, 0.5)
    y = (np.arange(shape[0]) + 0.5 - (y0 + y1) / 2) / max((y1 - y0) / 2, 0.5)
    return x[None, :] ** 2 + y[:, None] ** 2 <= 1.0
