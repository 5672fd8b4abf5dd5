"""Pictures of answers, as PNG data for a page that stands alone."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .label_prompts import tight_box

if TYPE_CHECKING:
    from .examples import Answer, Example

# Okabe and Ito's colours, which colour-blind readers can tell apart.
LABEL, REFERENCE, MODEL, PROMPT = "#009e73", "#e69f00", "#56b4e9", "#f0e442"
# Free space around what is drawn, in parts of its own size.
_MARGIN = 0.25


def example_picture(example: Example) -> str:
    """Return the reference's and the model's answer side by side as a PNG data URI: one crop, both on the label."""
    figure = Figure(figsize=(5.6, 2.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    window = _window(example.trial.target | example.model.mask | example.reference.mask)
    answers = ((example.reference, REFERENCE), (example.model, MODEL))
    for axes, (answer, colour) in zip(figure.subplots(1, 2), answers, strict=True):
        _draw(axes, example, answer, colour, window)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _draw(axes: Any, example: Example, answer: Answer, colour: str, window: tuple[float, float, float, float]) -> None:
    slice_ = example.trial.slice
    rows_mm, columns_mm = slice_.spacing_mm or (1.0, 1.0)
    axes.imshow(slice_.image, cmap="gray", vmin=0, vmax=255, aspect=rows_mm / columns_mm)
    axes.set_axis_off()
    for mask, line in ((example.trial.target, LABEL), (answer.mask, colour)):
        if mask.any():
            axes.contour(mask, levels=[0.5], colors=[line], linewidths=1.4)
    _draw_prompts(axes, answer)
    axes.set_xlim(window[0], window[2])
    axes.set_ylim(window[3], window[1])


def _draw_prompts(axes: Any, answer: Answer) -> None:
    prompts = answer.prompts
    if prompts.box is not None:
        x0, y0, x1, y1 = prompts.box - 0.5
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=PROMPT, lw=1.2))
    if prompts.points is not None and prompts.labels is not None:
        for (x, y), label in zip(prompts.points, prompts.labels, strict=True):
            axes.plot(x, y, "+" if label else "x", color=PROMPT, ms=8, mew=1.8)


def _window(mask: np.ndarray) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of a square around the mask with some margin."""
    # A pixel reaches half a pixel around its centre.
    x0, y0, x1, y1 = tight_box(mask) - 0.5
    half = (0.5 + _MARGIN) * max(x1 - x0, y1 - y0, 16)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - half, y - half, x + half, y + half
