"""The demonstration's picture: prompt, float answer, 4-bit answer and their difference, one organ a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch, Rectangle

from ..volume import BoxPrompt, LassoPrompt, PointPrompt
from .answer import Answer

# Okabe and Ito's colours, which colour-blind readers can tell apart.
LABEL, FLOAT, PACKED, BOTH, PROMPT = "#009e73", "#e69f00", "#56b4e9", "#f0f0f0", "#f0e442"


def draw_overlay(answers: list[Answer], path: Path) -> None:
    """Write the picture of all `answers` as PNG to `path`."""
    figure, axes = plt.subplots(len(answers), 4, figsize=(13, 2.9 * len(answers) + 0.9), squeeze=False, dpi=110)
    for row, answer in zip(axes, answers, strict=True):
        _draw_row(row, answer)
    figure.suptitle(
        "Embedded demo model on the embedded CT: float against packed 4-bit weights with integer arithmetic",
        fontsize=12,
        y=0.995,
    )
    handles = [
        Patch(fc="none", ec=LABEL, label="label"),
        Patch(color=FLOAT, label="float (difference: float only)"),
        Patch(color=PACKED, label="4-bit (difference: 4-bit only)"),
        Patch(color=BOTH, ec="#999999", label="both"),
        Patch(fc="none", ec=PROMPT, label="prompt"),
    ]
    figure.legend(handles=handles, loc="lower center", ncol=5, frameon=False)
    figure.tight_layout(h_pad=1.4, rect=(0, 0.35 / figure.get_figheight(), 1, 1))
    figure.savefig(path, format="png")
    plt.close(figure)


def _draw_row(row: np.ndarray, answer: Answer) -> None:
    scores = answer.scores()
    titles = (
        f"{answer.prompts.name}, slice {answer.key.axis} {answer.key.index}",
        f"float, Dice with label {scores['float']:.3f}",
        f"packed 4-bit, Dice with label {scores['packed_4_bit']:.3f}",
        f"difference: {scores['pixels_that_differ']} px, Dice {scores['packed_with_float']:.3f}",
    )
    for axes, title in zip(row, titles, strict=True):
        axes.imshow(answer.image, cmap="gray", vmin=0, vmax=255, aspect=_aspect(answer), interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    _draw_prompts(row[0], answer)
    _outline(row[0], answer.truth, LABEL)
    for axes, mask, colour in ((row[1], answer.float_mask, FLOAT), (row[2], answer.packed_mask, PACKED)):
        _fill(axes, mask, colour, 0.45)
        _outline(axes, answer.truth, LABEL)
    both = answer.float_mask & answer.packed_mask
    for mask, colour, alpha in (
        (both, BOTH, 0.35),
        (answer.float_mask & ~both, FLOAT, 1.0),
        (answer.packed_mask & ~both, PACKED, 1.0),
    ):
        _fill(row[3], mask, colour, alpha)


def _draw_prompts(axes: Any, answer: Answer) -> None:
    for prompt in answer.prompts.by_slice()[answer.key]:
        if isinstance(prompt, BoxPrompt):
            (x0, y0), (x1, y1) = np.sort(answer.frame.xy_from_ijk([prompt.low_ijk, prompt.high_ijk]), axis=0)
            # A pixel reaches half a pixel around its centre.
            axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0 + 1, y1 - y0 + 1, fill=False, ec=PROMPT, lw=1.5))
        elif isinstance(prompt, PointPrompt):
            x, y = answer.frame.xy_from_ijk(prompt.ijk)
            axes.plot(x, y, "+" if prompt.positive else "x", color=PROMPT, ms=9, mew=2)
        else:
            closing = prompt.voxels_ijk[:1] if isinstance(prompt, LassoPrompt) else ()
            x, y = answer.frame.xy_from_ijk([*prompt.voxels_ijk, *closing]).T
            axes.plot(x, y, "-" if prompt.positive else ":", color=PROMPT, lw=1.5)


def _fill(axes: Any, mask: np.ndarray, colour: str, alpha: float) -> None:
    layer = np.zeros((*mask.shape, 4))
    layer[mask] = matplotlib.colors.to_rgba(colour, alpha)
    axes.imshow(layer, interpolation="nearest", aspect=axes.get_aspect())


def _outline(axes: Any, mask: np.ndarray, colour: str) -> None:
    if mask.any():
        axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.2)


def _aspect(answer: Answer) -> float:
    row_mm, column_mm = answer.frame.spacing_mm
    return row_mm / column_mm
