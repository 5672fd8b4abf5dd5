"""Wires the widgets of the Segment panel to a workspace; what is drawn, and when, is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from dfqsam_core.errors import DFQSAMError
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.slice_views import PresentSlice, show_slice
from dfqsam_scene.prompting.opening import Choice, Opening
from dfqsam_scene.prompting.window_texts import DISPLAYED, displayed_window
from dfqsam_scene.prompting.workspace import Workspace

from .candidates import Candidates
from .display import Display
from .model_choice import ModelChoice
from .prompt_list import PromptList, Row
from .propagation_box import PropagationBox
from .segment_choice import SegmentChoice
from .shortcuts import KEYS, Shortcuts, name_keys
from .tools import PromptTools
from .window_choice import WindowChoice


class SegmentPanel:
    """Prompts in the slice views become segments; `tick` does all that is due, from a timer in the main thread.

    ui: the widgets of DFQSAMSlicer.ui by their names. window: where the shortcuts work.
    """

    def __init__(self, ui: Any, window: Any) -> None:
        self.worker = Worker()
        self.opening = Opening(self.worker, self._note_change)
        self._parameters: Any = None
        self._parameter_tag: int | None = None
        self._present: PresentSlice | None = None
        self._is_due = True
        self._is_entered = False
        self.tools = PromptTools(ui, self._begin)
        self.models = ModelChoice(ui, self._model_chosen)
        self.segments = SegmentChoice(ui, self._segment_chosen, self._add_segment, self._note_change)
        self.prompts = PromptList(ui, self._go_to)
        parts = (
            self.segments,
            WindowChoice(ui, self._window_chosen),
            self.prompts,
            Candidates(ui, self._choose_candidate),
            PropagationBox(ui, self._propagate),
        )
        self._display = Display(ui, *parts)
        actions = self._actions()
        for name in ("accept", "discard", "undo", "redo", "remove prompt", "cancel"):
            getattr(ui, KEYS[name][1]).connect("clicked()", actions[name])
        ui.clearSliceButton.connect("clicked()", self.clear_slice)
        name_keys(ui)
        self.shortcuts = Shortcuts(window, actions)

    @property
    def workspace(self) -> Workspace | None:
        """The open workspace; None while there is none, and when another panel or a closed scene took it."""
        workspace = self.opening.workspace
        return workspace if workspace is not None and workspace.is_open else None

    def set_parameters(self, parameters: Any) -> None:
        """Follow the choices of a PanelParameters; None while a scene is closed, which ends all work."""
        if self._parameter_tag is not None:
            self._parameters.RemoveObserver(self._parameter_tag)
            self._parameter_tag = None
        self._parameters = parameters
        if parameters is None:
            self.tools.close()
            self.opening.close()
            self.segments.close()
            if self._present is not None:
                self._present.close()
            self._present = None
        else:
            self._parameter_tag = parameters.AddObserver("ModifiedEvent", lambda *_: self._note_change())
            self.tools.watch(slicer.mrmlScene)
            self._present = PresentSlice(slicer.mrmlScene, self._note_change)
        self._note_change()

    def enter(self) -> None:
        """The module is shown: its keys work."""
        self._is_entered = True
        self.shortcuts.set_enabled(True)
        self._note_change()

    def exit(self) -> None:
        """Another module is shown: mouse and keys are its own."""
        self._is_entered = False
        self.shortcuts.set_enabled(False)
        self.tools.put_down()

    def use_model(self, path: Path) -> None:
        """Choose a model, from another panel."""
        self.models.use(path)

    def tick(self) -> None:
        """Take over what the worker finished, follow what was chosen, and show it; cheap when nothing happened."""
        self.worker.deliver()
        if self._is_due and not slicer.mrmlScene.IsBatchProcessing():
            self._is_due = False
            self._follow_choices()
            self._show()

    def cleanup(self) -> None:
        """End all work; the scene keeps what is in it."""
        self.set_parameters(None)
        self.shortcuts.close()
        self.worker.close()

    def cancel(self) -> None:
        """Stop what is worked on; when nothing is, put the tool down."""
        if self.workspace is not None and self.workspace.controller.is_busy:
            self.workspace.controller.cancel()
        else:
            self.tools.put_down()
        self._note_change()

    def clear_slice(self) -> None:
        """Take back the prompts of the chosen segment on the present slice."""
        workspace, key = self.workspace, self._key()
        if workspace is not None and workspace.segment_id is not None and key is not None:
            workspace.controller.clear_slice(workspace.segment_id, key)

    def remove_prompt(self) -> None:
        """Take back the prompt that is chosen in the list."""
        if self.workspace is not None and self.prompts.selected is not None:
            self.workspace.controller.remove_prompt(*self.prompts.selected)

    def _actions(self) -> dict[str, Callable[[], None]]:
        """What each key does, by the names of shortcuts.KEYS."""
        tools = {role: lambda role=role: self.tools.toggle(role) for role in ("positive", "negative", "box")}
        candidates = {f"candidate {n + 1}": lambda n=n: self._choose_candidate(n) for n in range(3)}
        history = {
            "accept": lambda: self._with_controller("accept_preview"),
            "discard": lambda: self._with_controller("discard_preview"),
            "undo": lambda: self._with_controller("undo"),
            "redo": lambda: self._with_controller("redo"),
        }
        return tools | candidates | history | {"remove prompt": self.remove_prompt, "cancel": self.cancel}

    def _with_controller(self, action: str) -> None:
        if self.workspace is not None:
            getattr(self.workspace.controller, action)()

    def _note_change(self) -> None:
        self._is_due = True

    def _key(self) -> Any:
        return None if self._present is None else self._present.key(self._parameters.volume)

    def _follow_choices(self, again: bool = False) -> None:
        """Open a workspace on what is chosen, close it when something is missing, and hand the switches on."""
        parameters = self._parameters
        if parameters is None or not self._is_entered:
            return
        choice = None
        if parameters.volume is not None and parameters.segmentation is not None:
            try:
                choice = Choice(parameters.volume, parameters.segmentation, self.models.path, parameters.window)
            except DFQSAMError as error:
                self.opening.refuse(error)
                return
        self.opening.choose(choice, again)
        if self.workspace is not None:
            self._hand_on(self.workspace)

    def _hand_on(self, workspace: Workspace) -> None:
        parameters, controller = self._parameters, workspace.controller
        ids = workspace.segments.node.GetSegmentation().GetSegmentIDs()
        workspace.segment_id = parameters.segmentId if parameters.segmentId in ids else next(iter(ids), None)
        controller.auto_accept, controller.refine = parameters.autoAccept, parameters.refine
        controller.canvas.protect_others = parameters.protectOthers
        workspace.encode_ahead(parameters.encodeAhead)
        key = self._key()
        if key is not None:
            workspace.look_at(key)

    def _show(self) -> None:
        workspace = self.workspace
        self.tools.set_enabled(self._parameters is not None and self._parameters.volume is not None)
        if workspace is None and self.opening.workspace is not None and self._parameters is not None:
            self.tools.let_go()
        else:
            self.tools.show(None if workspace is None else workspace.markups)
        self.models.show_card(self.opening.model)
        self._display.show(self._parameters, self.opening, workspace, self._key(), self.tools.wanted)

    def _begin(self) -> None:
        """A tool was chosen: make what it needs, and open it."""
        parameters = self._parameters
        if parameters is None or parameters.volume is None:
            return
        if parameters.segmentation is None or not parameters.segmentation.GetSegmentation().GetNumberOfSegments():
            self._add_segment()
        self._follow_choices(again=True)
        self._note_change()

    def _add_segment(self) -> None:
        parameters = self._parameters
        if parameters is None or parameters.volume is None:
            return
        if parameters.segmentation is None:
            parameters.segmentation = new_segmentation(parameters.volume, f"{parameters.volume.GetName()} segmentation")
        parameters.segmentId = parameters.segmentation.GetSegmentation().AddEmptySegment("")

    def _segment_chosen(self, segment_id: str) -> None:
        self._parameters.segmentId = segment_id

    def _window_chosen(self, text: str) -> None:
        parameters = self._parameters
        if parameters is not None and text != DISPLAYED:
            parameters.window = text
        elif parameters is not None and parameters.volume is not None:
            parameters.window = displayed_window(parameters.volume)
        self._note_change()

    def _model_chosen(self) -> None:
        self._follow_choices(again=True)
        self._note_change()

    def _choose_candidate(self, n: int) -> None:
        workspace, key = self.workspace, self._key()
        if workspace is not None and workspace.segment_id is not None and key is not None:
            workspace.controller.choose_candidate(workspace.segment_id, key, n)

    def _propagate(self, axis: str, first: int, last: int) -> None:
        if self.workspace is not None and self.workspace.segment_id is not None:
            self.workspace.controller.propagate(self.workspace.segment_id, axis, first, last)

    def _go_to(self, row: Row) -> None:
        if self.workspace is not None:
            self._parameters.segmentId = row[0]
            show_slice(self._parameters.volume, row[1].slice)
