"""Draws the module's icon: an axial slice with one organ segmented in coarse pixels, and the click that asked for it.

Run: python tools/draw_icon.py DFQSAMSlicer/Resources/Icons/DFQSAMSlicer.png
"""

from __future__ import annotations

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Circle, Ellipse, FancyBboxPatch, Rectangle

PIXELS = 128


def draw(path: str) -> None:
    """Write the icon as a 128 x 128 PNG with a transparent background."""
    figure = plt.figure(figsize=(1, 1), dpi=PIXELS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 128), ylim=(0, 128), aspect="equal")
    axes.axis("off")
    axes.add_patch(FancyBboxPatch((10, 10), 108, 108, boxstyle="round,pad=6,rounding_size=18", fc="#14202b", ec="none"))
    axes.add_patch(Ellipse((64, 64), 100, 76, fc="#5d6b78", ec="#aebac4", lw=1.4))
    axes.add_patch(Ellipse((64, 36), 17, 14, fc="#e9edf0", ec="none"))
    axes.add_patch(Ellipse((89, 62), 20, 34, angle=-18, fc="#8694a1", ec="none"))
    for x, y in organ_pixels():
        axes.add_patch(Rectangle((x, y), 6.4, 6.4, fc="#2ec4a6", ec="#14202b", lw=0.35))
    axes.add_patch(Circle((46, 69), 5.6, fc="#ff9f1c", ec="white", lw=1.6))
    figure.savefig(path, transparent=True)


def organ_pixels() -> list[tuple[float, float]]:
    """Lower left corners of the coarse pixels whose centres lie in the organ."""
    side, centre_x, centre_y = 6.4, 46.0, 66.0
    steps = [side * n for n in range(-5, 6)]
    inside = [(x, y) for x in steps for y in steps if (x / 25) ** 2 + (y / 23) ** 2 + x * y / 1400 < 1]
    return [(centre_x + x - side / 2, centre_y + y - side / 2) for x, y in inside]


if __name__ == "__main__":
    draw(sys.argv[1])
