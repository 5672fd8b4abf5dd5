"""Draws a ViewState in all parts of the panel; it changes nothing but widgets."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import ViewState

from .candidates import Candidates
from .prompt_list import PromptList
from .propagation_box import Position, PropagationBox
from .segment_choice import SegmentChoice
from .tool_buttons import ToolButtons

_ERROR_STYLE = "border: 2px solid #c0392b; border-radius: 3px;"


class Display:
    """The parts that show something, brought up to date together."""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        self._ui = ui
        self.prompts = PromptList(ui, verbs)
        self._segments = SegmentChoice(ui, verbs)
        self._candidates = Candidates(ui, verbs)
        self._propagation = PropagationBox(ui, verbs)
        self._tools = ToolButtons(ui, verbs)
        ui.continueWorkButton.connect("clicked()", verbs["continue work"])
        ui.discardWorkButton.connect("clicked()", verbs["discard work"])

    def show(self, state: ViewState, segmentation_node: Any, position: Position) -> None:
        """Show everything.

        segmentation_node: the one whose segments are listed, or None. position: as PropagationBox has it.
        """
        ui = self._ui
        ui.messageLabel.setText(state.message)
        ui.messageLabel.setStyleSheet(_ERROR_STYLE if state.is_error else "")
        ui.offerLabel.setText(state.offer)
        ui.offerFrame.setVisible(bool(state.offer))
        self._tools.show(state)
        ui.refineBox.setEnabled(state.training.can_refine)
        self._segments.show(state.segments, segmentation_node)
        ui.addSegmentButton.setEnabled(state.can_place)
        self.prompts.show(state.prompts)
        ui.removePromptButton.setEnabled(self.prompts.selected is not None)
        ui.clearSliceButton.setEnabled(state.can_clear)
        self._candidates.show(state.candidates)
        self._propagation.show(state, position)
        ui.acceptButton.setEnabled(state.has_preview)
        ui.discardButton.setEnabled(state.has_preview)
        ui.undoButton.setEnabled(state.can_undo)
        ui.redoButton.setEnabled(state.can_redo)
        ui.secondsLabel.setText(state.seconds)
        ui.modelSection.text = _("Model: {kind}").format(kind=state.model.kind) if state.model.kind else _("Model")
        ui.modelCardLabel.setText(
            state.model.summary
            or _("Its card is shown when it is loaded, with the first tool or segmentation that is chosen.")
        )
