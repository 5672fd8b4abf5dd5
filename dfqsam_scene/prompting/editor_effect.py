"""Prompts for what a Segment Editor has selected: the effect "SAM 4-bit" without its buttons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError

from ..jobs.worker import Worker
from ..nodes.markups import role_of
from ..nodes.place_mode import Placing
from .opening import Choice, Opening
from .workspace import Workspace


@dataclass
class EditorHost:
    """What a Segment Editor offers to its effect.

    node: its vtkMRMLSegmentEditorNode. save_state: keeps the segmentation for the editor's own Undo. model_path: the
    model to use; raises DFQSAMError where there is none.
    """

    node: Any
    save_state: Callable[[], None]
    model_path: Callable[[], Path]


class EditorPrompting:
    """Keeps a workspace on the volume, segmentation and segment that a Segment Editor has selected.

    All methods are for the main thread; `tick` does what is due, from a timer. Masking and overwrite mode are those of
    the editor's own node, and its Undo takes back each write. wanted: the role that clicks have, None for none.
    protect_others, auto_accept: as Canvas and Controller have them.
    """

    def __init__(self, host: EditorHost, changed: Callable[[], None] = lambda: None) -> None:
        self.worker = Worker()
        self.wanted: str | None = None
        self.protect_others = self.auto_accept = True
        self._host = host
        self._changed = changed
        self._opening = Opening(self.worker, changed)
        self._placing: Placing | None = None
        self._own_change = False

    @property
    def workspace(self) -> Workspace | None:
        """The open workspace, None while there is none."""
        workspace = self._opening.workspace
        return workspace if workspace is not None and workspace.is_open else None

    @property
    def message(self) -> tuple[str, bool]:
        """One sentence on what happened, or nothing, and whether it is a refusal or failure."""
        opening = self._opening
        if opening.message:
            return opening.message, True
        if opening.workspace is None:
            return ("Loading the model." if opening.is_loading else ""), False
        controller = opening.workspace.controller
        return controller.message or opening.workspace.notice, controller.is_error

    @property
    def is_active(self) -> bool:
        """Whether the effect is the editor's active one."""
        return self._placing is not None

    def activate(self) -> None:
        """The effect was chosen: follow the editor from now on."""
        self._placing = Placing(self._host.node.GetScene(), self._mode_changed)
        self._follow(again=True)

    def deactivate(self) -> None:
        """Another effect was chosen: write what is shown, keep the session in the scene, and give the mouse back."""
        self.choose_tool(None)
        if self._placing is not None:
            self._placing.close()
        self._placing = None
        self._opening.close()

    def close(self) -> None:
        """End the thread, too."""
        self.deactivate()
        self.worker.close()

    def choose_tool(self, role: str | None) -> None:
        """Let clicks in the slice views place "positive" or "negative" points or a "box"; None: no longer."""
        self.wanted = role
        self._forget_corner()
        if role is not None and self.is_active:
            self._follow(again=True)
        self._place()

    def tick(self) -> None:
        """Take over what the worker finished, and follow what the editor has selected."""
        self.worker.deliver()
        scene = self._host.node.GetScene()
        if self.is_active and scene is not None and not scene.IsBatchProcessing():
            self._follow()
            self._place()

    def _follow(self, again: bool = False) -> None:
        node = self._host.node
        volume_node, segmentation_node = node.GetSourceVolumeNode(), node.GetSegmentationNode()
        choice = None
        if volume_node is not None and segmentation_node is not None:
            try:
                choice = Choice(volume_node, segmentation_node, self._host.model_path(), "auto")
            except DFQSAMError as error:
                self._opening.refuse(error)
                return
        self._opening.choose(choice, again)
        workspace = self.workspace
        if workspace is not None:
            workspace.segment_id = node.GetSelectedSegmentID() or None
            workspace.segments.follow_settings(node)
            workspace.controller.auto_accept = self.auto_accept
            workspace.controller.canvas.protect_others = self.protect_others
            workspace.controller.canvas.about_to_change = self._host.save_state

    def _place(self) -> None:
        if self._placing is None:
            return
        node = None
        if self.workspace is not None and self.wanted is not None:
            node = self.workspace.markups.nodes[self.wanted]
        self._own_change = True
        if node is not None and self._placing.node is not node:
            self._placing.begin(node)
        elif self.wanted is None and role_of(self._placing.node):
            self._placing.end()
        self._own_change = False

    def _mode_changed(self) -> None:
        """Another mouse mode was chosen elsewhere: Escape, a right click, Slicer's toolbar."""
        if self._own_change or self._placing is None or self.wanted is None or self.workspace is None:
            return
        if self._placing.node is not self.workspace.markups.nodes[self.wanted]:
            self.wanted = role_of(self._placing.node)
            self._forget_corner()
            self._changed()

    def _forget_corner(self) -> None:
        if self.workspace is not None:
            self.workspace.markups.forget_corner()
