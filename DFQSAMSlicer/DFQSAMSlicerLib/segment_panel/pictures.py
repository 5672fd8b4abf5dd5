"""Small pictures for widgets."""

from __future__ import annotations

from typing import Any

import numpy as np


def pixmap_of(grey: np.ndarray) -> Any:
    """QPixmap of a uint8 image (H, W)."""
    import qt

    # Qt reads portable graymaps by itself: a short header, then the bytes as they are.
    header = b"P5 %d %d 255\n" % (grey.shape[1], grey.shape[0])
    pixmap = qt.QPixmap()
    pixmap.loadFromData(qt.QByteArray(header + np.ascontiguousarray(grey).tobytes()))
    return pixmap


def color_icon(red: float, green: float, blue: float) -> Any:
    """QIcon of one colour; components 0..1."""
    import qt

    pixmap = qt.QPixmap(12, 12)
    pixmap.fill(qt.QColor(*(round(255 * part) for part in (red, green, blue))))
    return qt.QIcon(pixmap)
