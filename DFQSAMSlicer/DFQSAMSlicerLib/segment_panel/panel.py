"""Wires the widgets of the Segment panel to the room of prompting, which decides what happens; `Display` draws it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from dfqsam_scene.jobs.journals import FOLDER
from dfqsam_scene.jobs.library import data_folder
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.nodes.roles import ROLES
from dfqsam_scene.nodes.shown_volume import show_volume, show_where_hidden
from dfqsam_scene.prompting.keys import KEYS
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting
from dfqsam_scene.prompting.verbs import Verbs
from dfqsam_scene.prompting.workspace import Workspace

from ..shortcuts import Shortcuts
from ..slice_views import shown_views
from .display import Display
from .key_names import WIDGETS, name_keys
from .model_choice import ModelChoice
from .window_choice import ModelView, WindowChoice

# Fields of a Choice by the parameters that keep them in the scene.
_KEPT = {
    "volume": "volume_node",
    "segmentation": "segmentation_node",
    "segmentId": "segment_id",
    "window": "window",
    "autoAccept": "auto_accept",
    "refine": "refine",
    "protectOthers": "protect_others",
    "encodeAhead": "encode_ahead",
}


class SegmentPanel:
    """Prompts in the slice views become segments; `tick` does all that is due, from a timer in the main thread.

    ui: the widgets of DFQSAMSlicer.ui by their names. window: where the shortcuts work. begun: as FrontEnd has it.
    """

    def __init__(self, ui: Any, window: Any, begun: Callable[[], None] = lambda: None) -> None:
        self.room = Prompting(FrontEnd(self._keep, shown_views, journals=data_folder() / FOLDER, begun=begun))
        self.room.is_shown = False
        self._parameters: Any = None
        self._parameter_tag: int | None = None
        self._is_stale = False
        # The volume that the panel last saw to it that it is shown.
        self._seen_volume: Any = None
        verbs = Verbs(self.room).by_name()
        self.models = ModelChoice(ui, verbs["model"], verbs["conventions"])
        self._window = WindowChoice(ui, verbs["window"])
        self._picture = ModelView(ui)
        self._display = Display(ui, verbs)
        self._remove = verbs["remove prompt"]
        actions = {name: verbs[name] for name in KEYS} | {"remove prompt": self.remove_prompt}
        for name in (name for name in KEYS if name not in ROLES and not name.startswith("candidate")):
            getattr(ui, WIDGETS[name]).connect("clicked()", actions[name])
        ui.clearSliceButton.connect("clicked()", verbs["clear slice"])
        name_keys(ui)
        self.shortcuts = Shortcuts(window, actions, KEYS)

    @property
    def worker(self) -> Worker:
        """The thread that does the work."""
        return self.room.worker

    @property
    def workspace(self) -> Workspace | None:
        """The open workspace, None while there is none."""
        return self.room.workspace

    def set_parameters(self, parameters: Any) -> None:
        """Follow the choices of a PanelParameters; None while a scene is closed, which ends all work."""
        if self._parameter_tag is not None:
            self._parameters.RemoveObserver(self._parameter_tag)
            self._parameter_tag = None
        self._parameters = parameters
        self._seen_volume = None
        if self.room.is_active:
            self.room.end()
        if parameters is None:
            if slicer.mrmlScene.IsClosing():
                # Slicer has asked about what is not saved.
                self.room.forget_work()
            self.room.choose(volume_node=None, segmentation_node=None, segment_id="")
        else:
            self._parameter_tag = parameters.AddObserver("ModifiedEvent", lambda *_: self._take_parameters())
            self.room.begin(slicer.mrmlScene)
            self._take_parameters()

    def enter(self) -> None:
        """The module is shown: its keys work."""
        self.room.is_shown = True
        self.shortcuts.set_enabled(True)
        self.room.note_change()

    def exit(self) -> None:
        """Another module is shown: mouse and keys are its own."""
        self.room.is_shown = False
        self.shortcuts.set_enabled(False)
        if self.room.place_tool is not None:
            self.room.place_tool.choose(None)

    def use_model(self, path: Path) -> None:
        """Choose a model, from another panel."""
        self.models.use(path)

    def tick(self) -> bool:
        """Do what is due, and show it; cheap when nothing happened. Returns whether something is worked on."""
        if self._is_stale:
            self._take_parameters()
        self._show_volume()
        if self.room.tick():
            self._show()
        return self.room.is_working

    def cleanup(self) -> None:
        """End all work; the scene keeps what is in it."""
        self.set_parameters(None)
        self.shortcuts.close()
        self.room.close()

    def remove_prompt(self) -> None:
        """Take back the prompt that is chosen in the list, else the newest one of the slice."""
        row = self._display.prompts.selected
        if row is None:
            self._remove()
        else:
            self._remove(row.segment, row.prompt)

    def _take_parameters(self) -> None:
        """Choose what the parameters say; not while a scene is loaded, when their nodes may not be there yet."""
        self.room.note_change()
        self._is_stale = slicer.mrmlScene.IsBatchProcessing()
        if not self._is_stale and self._parameters is not None:
            self.room.choose(**{field: getattr(self._parameters, name) for name, field in _KEPT.items()})

    def _show_volume(self) -> None:
        """Let the views show a volume that is chosen; one that came with a scene only where none of them does."""
        node = self.room.choice.volume_node
        if node is None or node is self._seen_volume or not self.room.is_shown:
            return
        (show_where_hidden if self._seen_volume is None else show_volume)(node)
        self._seen_volume = node

    def _keep(self, changes: dict[str, Any]) -> None:
        for name, field in _KEPT.items():
            parameters = self._parameters
            if parameters is not None and field in changes and getattr(parameters, name) != changes[field]:
                setattr(parameters, name, changes[field])

    def _show(self) -> None:
        state, workspace = self.room.state(), self.workspace
        node = self.room.choice.segmentation_node
        self._display.show(state, node, self.room.position_mm)
        self._window.show(state.window)
        self.models.show(state)
        if workspace is None:
            self._picture.show(None, None, None)
        else:
            self._picture.show(workspace.session.volume, self.room.key, workspace.window, workspace.model)
