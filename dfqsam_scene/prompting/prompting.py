"""The door of prompting: what is chosen, what is open, who has the mouse. Front ends call verbs, draw a ViewState."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import slicer

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.volume import SliceKey

from ..jobs.resting import BEGIN_SECONDS
from ..jobs.worker import Worker
from ..nodes.slice_views import PresentSlice
from .choice import Choice
from .keeping import Keeping
from .model_fit import ModelFit
from .place_tool import PlaceTool, Views
from .seen import view_state
from .status import CHOOSE_VOLUME, sentence
from .view_state import ViewState
from .waiting import WaitingPrompts
from .workspace import Workspace
from .workspace_loader import WorkspaceLoader


@dataclass
class FrontEnd:
    """The differences between front ends.

    keep: remembers fields of a Choice that were changed. views: the slice views shown now, for boxes by a drag.
    without_volume: what to say while no volume is chosen. window_by_mouse: as PlaceTool has it. picks_segment: a
    segment that is gone is replaced by the first one, not by none. prepare: called with the open workspace before
    anything is done in it. journals: folder where work is kept until it is saved, None for nowhere. begun: called when
    work begins that a person waits for: the next tick should come soon. arrived: as Worker has it. keeps_lock: whether
    the event loop keeps Python's lock while it idles, so that each tick rests while anything is worked on.
    """

    keep: Callable[[dict[str, Any]], None] = lambda changes: None
    views: Views = tuple
    without_volume: str = CHOOSE_VOLUME
    window_by_mouse: bool = False
    picks_segment: bool = True
    prepare: Callable[[Workspace], None] = lambda workspace: None
    journals: Path | None = None
    begun: Callable[[], None] = lambda: None
    arrived: Callable[[], None] = lambda: None
    keeps_lock: bool = True


class Prompting:
    """A person's work with prompts on a scene; all methods are for the main thread, verbs are in `Verbs`.

    choice: what is chosen. loader: opens the workspace on it. is_shown: whether the front end is in front; what is
    chosen meanwhile is opened later. notice: one sentence about something outside the workspace, until there is other
    news; notice_is_error: whether that is a refusal. keeping: what survives a crash, None where the front end keeps
    nothing.
    """

    def __init__(self, front: FrontEnd) -> None:
        self.worker = Worker(self._work_begins, front.arrived)
        self.loader = WorkspaceLoader(self.worker, self._hear)
        self.choice = Choice()
        self.is_shown = True
        self.notice, self.notice_is_error = "", False
        self.place_tool: PlaceTool | None = None
        self.keeping: Keeping | None = None
        if front.journals is not None:
            self.keeping = Keeping(front.journals, self.worker, self.note_change, self._tell_not_kept)
        self._front = front
        self._scene: Any = None
        self._present: PresentSlice | None = None
        self._watched: Any = None
        self._tags: list[int] = []
        self._is_due = True
        self._fit = ModelFit(self)

    @property
    def is_active(self) -> bool:
        """True where there is a scene to prompt on."""
        return self._scene is not None

    @property
    def is_working(self) -> bool:
        """True where something is worked on, or waits for the next tick, which should come soon then."""
        return self.worker.is_working

    @property
    def is_idle(self) -> bool:
        """True where nothing is worked on and nothing waits for the next tick."""
        return not self.worker.is_busy and not self._is_due

    @property
    def workspace(self) -> Workspace | None:
        """The open workspace; None while there is none, and when another panel or a closed scene took it."""
        workspace = self.loader.workspace
        return workspace if workspace is not None and workspace.is_open else None

    @property
    def key(self) -> SliceKey | None:
        """The slice in the view that the mouse was in last."""
        node = self.choice.volume_node
        return None if self._present is None or node is None else self._present.key(node)

    def position_mm(self, index: int) -> float | None:
        """Where Slicer's bar stands when the present view shows slice `index` of its axis, mm; None without a view."""
        key, present = self.key, self._present
        if key is None or present is None:
            return None
        return present.position_mm(self.choice.volume_node, replace(key, index=index))

    @property
    def tool(self) -> str:
        """The wanted tool, "" for none."""
        return "" if self.place_tool is None else self.place_tool.wanted or ""

    @property
    def sentence(self) -> tuple[str, bool]:
        """One sentence on what happened or what to do next, and whether it is a refusal or failure."""
        if self.notice:
            return self.notice, self.notice_is_error
        choice = self.choice
        nodes = choice.volume_node, choice.segmentation_node
        return sentence(self.loader, *nodes, self.tool, self._front.without_volume)

    def state(self) -> ViewState:
        """Return what there is to see now."""
        return view_state(self)

    def begin(self, scene: Any) -> None:
        """Work on a scene from now on."""
        self._scene = scene
        self.place_tool = PlaceTool(scene, self.note_change, self._front.views, self._front.window_by_mouse)
        self._present = PresentSlice(scene, self.note_change)
        self.note_change()

    def end(self) -> None:
        """Leave the scene: the session stays in it, mouse and views are left alone."""
        if self.place_tool is not None and self._present is not None:
            self.place_tool.close()
            self._present.close()
        self.loader.close()
        self._watch_segments(None)
        self._scene = self.place_tool = self._present = None
        self.note_change()

    def close(self) -> None:
        """End the thread, too; work that is kept is not needed any more."""
        self.forget_work()
        self.end()
        self.worker.close()

    def forget_work(self, keep: bool = False) -> None:
        """The scene was saved or is given up; keep: neither, so that its work is offered at the next start."""
        if self.keeping is not None:
            self.keeping.close(keep)

    def choose(self, **changes: Any) -> None:
        """Change fields of `choice`."""
        choice = replace(self.choice, **changes)
        if choice != self.choice:
            self.choice = choice
            self.notice = ""
            self._front.keep(changes)
            self.note_change()

    def tick(self) -> bool:
        """Take over what the worker finished, follow what was chosen; whether there may be something new to see."""
        if self._front.keeps_lock:
            self.worker.rest()
        self.worker.deliver()
        if not self._is_due or (self._scene is not None and self._scene.IsBatchProcessing()):
            if self.keeping is not None and self.keeping.is_behind:
                self._keep_work()
            return False
        self._is_due = False
        self.follow()
        self._keep_work()
        return True

    def follow(self, again: bool = False) -> None:
        """Open what is chosen, close it where something is missing, and hand segment, switches and slice on.

        again: as WorkspaceLoader has it.
        """
        if self._scene is None or self.place_tool is None:
            return
        self._watch_segments(self.choice.segmentation_node)
        if not self.is_shown:
            return
        self.loader.choose(self.choice if self.choice.is_complete else None, again)
        workspace = self.workspace
        if workspace is not None:
            self._hand_on(workspace)
        if workspace is None and self.loader.workspace is not None:
            self.place_tool.let_go()
        else:
            listening = workspace or self._waiting()
            if listening is not None:
                listening.markups.use_brush(self.choice.brush)
            self.place_tool.follow(None if listening is None else listening.markups, self.choice.segment_id)

    def say(self, text: str, is_error: bool = False) -> None:
        """Show a sentence about something outside the workspace."""
        self.notice, self.notice_is_error = str(DFQSAMError(text)), is_error
        self.note_change()

    def note_change(self) -> None:
        """Follow and show with the next tick."""
        self._is_due = True

    def require_volume_node(self) -> Any:
        """The chosen volume; raises PromptError while there is none."""
        if self.choice.volume_node is None or self._scene is None:
            raise PromptError("There is no volume yet. Open one first.")
        return self.choice.volume_node

    def require_workspace(self) -> Workspace:
        """The open workspace; raises PromptError while there is none."""
        self.require_volume_node()
        if self.workspace is None:
            raise PromptError(self.sentence[0])
        return self.workspace

    def segment(self, segment_id: str) -> Any:
        """The vtkSegment; raises PromptError when it is gone."""
        node = self.choice.segmentation_node
        found = None if node is None else node.GetSegmentation().GetSegment(segment_id)
        if found is None:
            raise PromptError("This segment is gone. Choose another one.")
        return found

    def _waiting(self) -> WaitingPrompts | None:
        """Who takes prompts while the model loads."""
        loader, choice = self.loader, self.choice
        if loader.waiting is None and loader.is_loading and choice.is_complete:
            nodes = choice.volume_node, choice.segmentation_node
            loader.waiting = WaitingPrompts(
                *nodes, self.note_change, lambda error: self.say(str(error), is_error=True), self.worker.later
            )
        if loader.waiting is not None:
            loader.waiting.segment_id = choice.segment_id or None
        return loader.waiting

    def _work_begins(self) -> None:
        self._front.begun()
        if self._front.keeps_lock:
            self.worker.rest(BEGIN_SECONDS)

    def _keep_work(self) -> None:
        if self.keeping is not None and self._scene is not None:
            self.keeping.follow(self.choice.volume_node, self.workspace)

    def _tell_not_kept(self, error: Exception) -> None:
        self.say(str(error), is_error=True)

    def _hand_on(self, workspace: Workspace) -> None:
        ids = workspace.segments.node.GetSegmentation().GetSegmentIDs()
        if self.choice.segment_id not in ids and self._front.picks_segment:
            self.choose(segment_id=next(iter(ids), ""))
        self._fit.follow(workspace)
        choice, controller = self.choice, workspace.controller
        self._front.prepare(workspace)
        workspace.segment_id = choice.segment_id or None
        is_new = choice.auto_accept and not controller.auto_accept
        controller.auto_accept = choice.auto_accept
        controller.refine = choice.refine and "mask" in workspace.session.slices.conventions.prompts
        controller.protect_others, controller.thorough = choice.protect_others, choice.thorough
        workspace.encode_ahead(choice.encode_ahead)
        if is_new:
            # Who wants masks written at once wants that of the one that waits.
            controller.accept_preview()
        key = self.key
        if key is not None:
            workspace.look_at(key)

    def _watch_segments(self, node: Any) -> None:
        """Hear what people do to the segments of this node elsewhere."""
        if node is self._watched:
            return
        for tag in self._tags:
            self._watched.RemoveObserver(tag)
        self._watched, self._tags = node, []
        if node is not None:
            events = slicer.vtkSegmentation
            kinds = (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified, events.SegmentsOrderModified)
            kinds += (events.SourceRepresentationModified,) if self.keeping is not None else ()
            self._tags = [node.AddObserver(kind, lambda *_: self.note_change()) for kind in kinds]

    def _hear(self) -> None:
        """Let what the loader or the controller has to say take the place of an older notice."""
        workspace = self.loader.workspace
        controller = None if workspace is None else workspace.controller
        has_news = controller is not None and (controller.message or controller.is_busy)
        if self.loader.message or has_news or (workspace is not None and workspace.notice):
            self.notice = ""
        self.note_change()
