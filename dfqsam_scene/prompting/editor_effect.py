"""Prompts for what a Segment Editor has selected: the effect "SAM-Med2D" without its buttons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError

from .place_tool import Views
from .prompting import FrontEnd, Prompting
from .workspace import Workspace


@dataclass
class EditorHost:
    """The part of a Segment Editor that its effect needs.

    node: its vtkMRMLSegmentEditorNode. save_state: keeps the segmentation for the editor's own Undo. model_path: the
    model to use; raises DFQSAMError where there is none; conventions: what was said of it. views, begun: as FrontEnd
    has them.
    """

    node: Any
    save_state: Callable[[], None]
    model_path: Callable[[], Path]
    views: Views = tuple
    begun: Callable[[], None] = lambda: None
    conventions: Callable[[], str] = str


class EditorPrompting(Prompting):
    """Prompting on the volume, segmentation and segment that a Segment Editor has selected, between begin and end.

    Masking and overwrite mode are those of the editor's own node, and its Undo takes back each write.
    """

    def __init__(self, host: EditorHost) -> None:
        front = FrontEnd(self._keep, host.views, picks_segment=False, prepare=self._prepare, begun=host.begun)
        super().__init__(front)
        self._host = host

    def activate(self) -> None:
        """The effect was chosen: follow the editor from now on."""
        self.begin(self._host.node.GetScene())
        self.follow(again=True)

    def deactivate(self) -> None:
        """Another effect was chosen: write what is shown, keep the session in the scene, and give the mouse back."""
        self.end()

    def tick(self) -> bool:
        """As the room's; what the editor has selected is followed."""
        if self.is_active and self._host.node.GetScene() is not None:
            self._take_selection()
        return super().tick()

    def follow(self, again: bool = False) -> None:
        """As the room's, as long as there is a model to choose."""
        if self.is_active and self._take_selection():
            super().follow(again)

    def _take_selection(self) -> bool:
        """Choose what the editor has selected; False where there is no model to choose."""
        node = self._host.node
        self.choose(
            volume_node=node.GetSourceVolumeNode(),
            segmentation_node=node.GetSegmentationNode(),
            segment_id=node.GetSelectedSegmentID() or "",
        )
        try:
            self.choose(model_path=self._host.model_path(), conventions=self._host.conventions())
        except DFQSAMError as error:
            if self.loader.message != str(error):
                self.loader.refuse(error)
            return False
        return True

    def _keep(self, changes: dict[str, Any]) -> None:
        node, segment_id = self._host.node, changes.get("segment_id")
        if segment_id is not None and segment_id != (node.GetSelectedSegmentID() or ""):
            node.SetSelectedSegmentID(segment_id or None)

    def _prepare(self, workspace: Workspace) -> None:
        workspace.segments.follow_settings(self._host.node)
        workspace.controller.about_to_change = self._host.save_state
