"""Shows the state of a workspace in all parts of the panel; it changes nothing but widgets."""

from __future__ import annotations

from typing import Any

from dfqsam_core.volume import SliceKey, WindowLevel
from dfqsam_core.volume.session.slice_predictor import SlicePrediction
from dfqsam_scene.prompting.opening import Opening
from dfqsam_scene.prompting.status import seconds_text, sentence
from dfqsam_scene.prompting.workspace import Workspace

from .candidates import Candidates
from .prompt_list import PromptList
from .propagation_box import PropagationBox
from .segment_choice import SegmentChoice
from .window_choice import ModelView, WindowChoice

_ERROR_STYLE = "border: 2px solid #c0392b; border-radius: 3px;"


class Display:
    """The parts that show something, brought up to date together."""

    def __init__(
        self,
        ui: Any,
        segments: SegmentChoice,
        window: WindowChoice,
        prompts: PromptList,
        candidates: Candidates,
        propagation: PropagationBox,
    ) -> None:
        self._ui = ui
        self._segments, self._window, self._prompts = segments, window, prompts
        self._candidates, self._propagation = candidates, propagation
        self._view = ModelView(ui)

    def show(
        self, parameters: Any, opening: Opening, workspace: Workspace | None, key: SliceKey | None, tool: str | None
    ) -> None:
        """Show everything; workspace: the open one, parameters: None while a scene is closed."""
        volume_node = None if parameters is None else parameters.volume
        segmentation_node = None if parameters is None else parameters.segmentation
        text, is_error = sentence(opening, volume_node, segmentation_node, tool)
        self._ui.messageLabel.setText(text)
        self._ui.messageLabel.setStyleSheet(_ERROR_STYLE if is_error else "")
        chosen = "" if parameters is None else parameters.segmentId
        self._segments.show(segmentation_node, (workspace and workspace.segment_id) or chosen)
        self._ui.addSegmentButton.setEnabled(volume_node is not None)
        self._show_window(parameters, workspace, key)
        self._show_prompts(workspace, key)
        self._show_actions(workspace)

    def _show_window(self, parameters: Any, workspace: Workspace | None, key: SliceKey | None) -> None:
        window: WindowLevel | None = None if workspace is None else workspace.window
        self._window.show("auto" if parameters is None else parameters.window, window)
        if workspace is None:
            self._view.show(None, None, None)
        else:
            self._view.show(workspace.controller.canvas.session.volume, key, window, workspace.model.image_size)

    def _show_prompts(self, workspace: Workspace | None, key: SliceKey | None) -> None:
        prompts = {} if workspace is None else workspace.prompts()
        segments = None if workspace is None else workspace.segments.node.GetSegmentation()
        ids = () if segments is None else segments.GetSegmentIDs()
        names = {} if segments is None else {found: segments.GetSegment(found).GetName() for found in ids}
        geometry = None if workspace is None else workspace.controller.canvas.session.volume.geometry
        self._prompts.show(prompts, names, geometry)
        self._ui.removePromptButton.setEnabled(self._prompts.selected is not None)
        here = None if workspace is None or key is None else prompts.get((workspace.segment_id or "", key))
        self._ui.clearSliceButton.setEnabled(here is not None)
        self._candidates.show(_prediction(workspace, key))
        if workspace is not None and geometry is not None and key is not None:
            mine = [k.index for owner, k in prompts if (owner, k.axis) == (workspace.segment_id, key.axis)]
            self._propagation.offer(key, geometry.size_along(key.axis), sorted(mine))

    def _show_actions(self, workspace: Workspace | None) -> None:
        controller = None if workspace is None else workspace.controller
        has_preview = controller is not None and controller.preview is not None
        self._ui.acceptButton.setEnabled(has_preview)
        self._ui.discardButton.setEnabled(has_preview)
        self._ui.undoButton.setEnabled(controller is not None and controller.can_undo)
        self._ui.redoButton.setEnabled(controller is not None and controller.can_redo)
        is_busy = controller is not None and controller.is_busy
        self._propagation.show(
            workspace is not None and any(owner == workspace.segment_id for owner, _ in workspace.prompts()),
            is_busy,
            None if controller is None else controller.progress,
            () if controller is None else controller.stops,
        )
        encoding, decoding = (
            (None, None) if controller is None else (controller.encoding_seconds, controller.decoding_seconds)
        )
        self._ui.secondsLabel.setText(seconds_text(encoding, decoding))


def _prediction(workspace: Workspace | None, key: SliceKey | None) -> SlicePrediction | None:
    if workspace is None or workspace.segment_id is None or key is None:
        return None
    return workspace.controller.prediction(workspace.segment_id, key)
