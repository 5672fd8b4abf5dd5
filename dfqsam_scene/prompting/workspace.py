"""Everything for prompting on one volume and one segmentation, wired together: session, segments, markups, preview."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import slicer

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import PointPrompt, SliceKey, Volume, VolumeGeometry, VolumeSession, WindowLevel
from dfqsam_core.volume.brush import BrushStroke
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.session.history import History
from dfqsam_core.volume.session.slice_predictor import Predictor

from ..jobs.worker import Worker
from ..nodes.markups import PromptMarkups
from ..nodes.outlines import PromptOutlines
from ..nodes.preview_layer import SegmentationPreview
from ..nodes.prompt_events import PromptEvents
from ..nodes.saved_session import load_session, store_session
from ..nodes.segments import SegmentScene
from ..nodes.shown_volume import show_one_of
from ..nodes.volume_node import read_volume_node
from .controller import Controller
from .hand_edits import BrushEdit
from .history import AnyStep
from .segment_writer import SegmentWriter

# The markups of a scene give their clicks to one workspace; a scene is known by its address.
_LISTENING: dict[str, Workspace] = {}


class Workspace:
    """Markups placed in the scene become prompts of the chosen segment; the session is saved with the scene.

    model: from `dfqsam_core.load_model`. window: a session saved with the segmentation keeps its own. changed: called
    after each change of the controller. segment_id: the segment that prompts go to.
    brought_to_view: hears of slices that are about to change, and one of which a view shows now.
    notice: why a saved session could not be continued, or who prompts now, else empty; what an earlier session drew
    counts as drawn by hand where it cannot be continued. prompts: to begin with, instead of a saved session.
    predictor: replaces the runtime's own. history: as SegmentWriter has it.
    One workspace of a scene listens at a time: a new one stores and closes the one before.
    Raises SceneError or VolumeError for nodes that cannot be segmented.
    """

    def __init__(
        self,
        volume_node: Any,
        segmentation_node: Any,
        model: Any,
        worker: Worker,
        window: WindowLevel,
        changed: Callable[[], None] = lambda: None,
        predictor: Predictor | None = None,
        prompts: Mapping[tuple[str, SliceKey], tuple[Prompt, ...]] | None = None,
        history: History[AnyStep] | None = None,
    ) -> None:
        volume = read_volume_node(volume_node)
        self.segments = SegmentScene(volume_node, segmentation_node)
        self.segment_id: str | None = None
        self.notice = ""
        self.brought_to_view: Callable[[Collection[SliceKey]], None] = lambda keys: None
        self.model = model
        self._changed = changed
        self._worker = worker
        self._scene = volume_node.GetScene()
        self._tags: list[tuple[Any, int]] = []
        self._take_over()
        saved = self._saved_session(volume, predictor) if prompts is None else None
        session = saved or VolumeSession(volume, model, window, predictor=predictor)
        self._preview = SegmentationPreview(volume_node)
        self._outlines = PromptOutlines(volume_node, worker.later)
        writer = SegmentWriter(session, self.segments, history)
        self.controller = Controller(writer, worker, self._refresh, self._preview)
        add, remove, refuse = self.controller.add_prompt, self.controller.remove_prompt, self.controller.refuse
        boxes = self.controller.prompt_boxes
        events = PromptEvents(self._chosen, add, remove, refuse, boxes, self._brushed, lambda: self._changed())
        self.markups = PromptMarkups(volume_node, events)
        if saved is None:
            self._remember_prompts(prompts)
        self._observe(self._scene, self._scene.StartSaveEvent, self._store)
        self._observe(self._scene, self._scene.StartCloseEvent, self.close)
        self._observe(segmentation_node, slicer.vtkSegmentation.SegmentRemoved, self._refresh)
        _LISTENING[self._place] = self
        self._refresh()

    @property
    def is_open(self) -> bool:
        """True where prompts are still listened to: not after `close`, nor after the scene was closed."""
        return bool(self._tags)

    @property
    def session(self) -> VolumeSession:
        """The session, with prompts and predictions."""
        return self.controller.session

    @property
    def geometry(self) -> VolumeGeometry:
        """The grid that is prompted on."""
        return self.session.volume.geometry

    @property
    def window(self) -> WindowLevel:
        """The window that the model sees the volume through now."""
        return self.session.window

    def change_window(self, window: WindowLevel) -> None:
        """Let the model see the volume through another window from now on."""
        self.controller.change_window(window)

    def look_at(self, key: SliceKey) -> None:
        """Tell which slice is looked at: it and its neighbours are encoded while nothing else runs.

        From then on a prompt brings its slice to view where no view shows it: a script looks at nothing.
        """
        if self.is_open:
            self.controller.bring_to_view = self._bring_to_view
            self.controller.look_at(key)

    def _bring_to_view(self, keys: Collection[SliceKey]) -> None:
        show_one_of(self.segments.volume_node, keys)
        self.brought_to_view(keys)

    def encode_ahead(self, enabled: bool) -> None:
        """Encode the slices around the one that is looked at, or no longer; on at first."""
        if self.is_open:
            self.controller.encode_ahead(enabled)

    def finish(self, timeout_seconds: float = 60.0) -> bool:
        """Wait for all that is worked on, for scripts; False when the time ran out. A panel delivers by a timer."""
        ends = time.monotonic() + timeout_seconds
        while self.controller.is_busy:
            if not self._worker.wait(max(ends - time.monotonic(), 0)):
                return False
            self.controller.deliver()
        return True

    def leave(self) -> None:
        """Write the preview, keep the session in the scene unless that is closed, and close; to continue here later."""
        if self.is_open and not self._scene.IsClosing():
            self._store()
        self.close()

    def close(self) -> None:
        """Stop listening and forget what is not written; what the scene holds stays. Calling it again does nothing."""
        if _LISTENING.get(self._place) is self:
            del _LISTENING[self._place]
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []
        self.controller.close()
        self.markups.close()
        self._preview.remove()
        self._outlines.close()

    def prompts(self) -> dict[tuple[str, SliceKey], tuple[Prompt, ...]]:
        """All prompts by segment and slice, without those of segments that are gone."""
        present = self.segments.node.GetSegmentation().GetSegmentIDs()
        return {place: found for place, found in self.controller.all_prompts().items() if place[0] in present}

    def know_ends(self, of: Workspace) -> None:
        """Know where segments start and end as another workspace knew it; not of those that are gone."""
        for label, segment_id in of.controller.writer.segment_ids.items():
            if segment_id in self.segments.segment_ids:
                for extent in of.session.extents.of_label(label):
                    self.session.extents.put(self.controller.writer.label(segment_id), extent)

    def prompts_on(self, key: SliceKey) -> tuple[Prompt, ...]:
        """Prompts of the chosen segment on a slice."""
        return self.controller.all_prompts().get((self.segment_id or "", key), ())

    def _observe(self, node: Any, event: Any, react: Callable[[], None]) -> None:
        self._tags.append((node, node.AddObserver(event, lambda *_: react())))

    @property
    def _place(self) -> str:
        return self._scene.GetAddressAsString("")

    def _take_over(self) -> None:
        other = _LISTENING.get(self._place)
        if other is not None:
            other.notice = "Prompts go to another panel now. Choose a tool here to prompt here again."
            other.leave()
            other._changed()

    def _saved_session(self, volume: Volume, predictor: Predictor | None) -> VolumeSession | None:
        try:
            return load_session(self.segments.node, volume, self.model, predictor)
        except PromptError as error:
            self.notice = str(error)
            return None

    def _remember_prompts(self, given: Mapping[tuple[str, SliceKey], tuple[Prompt, ...]] | None) -> None:
        """Keep given prompts, or those of a scene whose session cannot be continued; not those of lost segments."""
        present = self.segments.segment_ids
        pairs = (
            self.markups.shown()
            if given is None
            else [(segment_id, prompt) for (segment_id, _), found in given.items() for prompt in found]
        )
        for segment_id, prompt in pairs:
            if segment_id in present:
                self.controller.writer.remember(segment_id, prompt)

    def _chosen(self) -> str:
        if self.segment_id is None:
            raise PromptError("No segment is chosen. Choose or add one, then place the prompt.")
        return self.segment_id

    def _brushed(self, segment_id: str, stroke: BrushStroke) -> None:
        self.controller.edit(BrushEdit(segment_id, stroke))

    def _refresh(self) -> None:
        """Let the markups show what the controller has, as long as there is something to show it on."""
        if self.is_open and self.segments.volume_node.GetScene() is not None:
            pairs = [(segment_id, prompt) for (segment_id, _), found in self.prompts().items() for prompt in found]
            self.markups.show(pairs)
            drawn = [prompt for _, prompt in pairs if not isinstance(prompt, PointPrompt)]
            if drawn or self._outlines.nodes:
                self._outlines.show(drawn)
        self._changed()

    def _store(self) -> None:
        if self.segments.node.GetScene() is not None and self.segments.volume_node.GetScene() is not None:
            self.controller.finish_writing()
            self.controller.accept_preview()
        if self.segments.node.GetScene() is not None and self.session.segments:
            store_session(self.session, self.segments.node)
