"""The three masks of a prediction, with the model's own estimates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from dfqsam_core.volume.session.slice_predictor import SlicePrediction


class Candidates:
    """Three buttons; chosen: a person wants candidate 0, 1 or 2."""

    def __init__(self, ui: Any, chosen: Callable[[int], None]) -> None:
        self._buttons = [ui.candidateButton1, ui.candidateButton2, ui.candidateButton3]
        self._label = ui.candidateLabel
        for n, button in enumerate(self._buttons):
            button.connect("clicked()", lambda n=n: chosen(n))

    def show(self, prediction: SlicePrediction | None) -> None:
        """Show the candidates of a prediction; None for none."""
        estimates = [] if prediction is None else [float(value) for value in prediction.predicted_iou]
        for n, button in enumerate(self._buttons):
            is_there = n < len(estimates)
            button.setEnabled(is_there)
            button.setChecked(is_there and prediction is not None and n == prediction.chosen)
            button.setText(f"{n + 1}: {_estimate(estimates[n])}" if is_there else str(n + 1))
        self._label.setText(_("Masks, with the model's own estimate (IoU):") if estimates else _("Masks:"))


def _estimate(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"
