"""The three masks of a prediction, with the model's own estimates."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import CandidateMask


class Candidates:
    """Three buttons, one for each candidate."""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        self._buttons = [ui.candidateButton1, ui.candidateButton2, ui.candidateButton3]
        self._label = ui.candidateLabel
        for n, button in enumerate(self._buttons):
            button.connect("clicked()", verbs[f"candidate {n + 1}"])

    def show(self, candidates: tuple[CandidateMask, ...]) -> None:
        """Show the candidates of a prediction."""
        for n, button in enumerate(self._buttons):
            is_there = n < len(candidates)
            button.setEnabled(is_there)
            button.setChecked(is_there and candidates[n].chosen)
            button.setText(f"{n + 1}: {candidates[n].text}" if is_there else str(n + 1))
        self._label.setText(_("Masks, with the model's own estimate (IoU):") if candidates else _("Masks:"))
