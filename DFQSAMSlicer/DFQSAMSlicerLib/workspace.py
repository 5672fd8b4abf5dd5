"""Everything for prompting on one volume and one segmentation, wired together: session, segments, markups, preview."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.volume import SliceKey, VolumeSession
from dfqsam_core.volume.prompts import Prompt
from dfqsam_core.volume.slice_predictor import Predictor

from .canvas import Canvas
from .controller import Controller
from .preview_layer import SegmentationPreview
from .prompt_markups import PromptEvents, PromptMarkups
from .saved_session import load_session, store_session
from .scene import SegmentScene
from .volume_node import read_volume_node
from .worker import Worker


class Workspace:
    """Markups placed in the scene become prompts of the chosen segment; the session is saved with the scene.

    model: from `dfqsam_core.load_model`. window: as VolumeSession takes it; a session saved with the segmentation
    keeps its own. changed: called after each change of the controller. segment_id: the segment that prompts go to.
    notice: why a saved session could not be continued, else empty; what it drew then counts as drawn by hand.
    Raises SceneError or VolumeError for nodes that cannot be segmented.
    """

    def __init__(
        self,
        volume_node: Any,
        segmentation_node: Any,
        model: Any,
        worker: Worker,
        window: str = "auto",
        changed: Callable[[], None] = lambda: None,
        predictor: Predictor | None = None,
    ) -> None:
        volume = read_volume_node(volume_node)
        self.segments = SegmentScene(volume_node, segmentation_node)
        self.segment_id: str | None = None
        self.notice = ""
        session = None
        try:
            session = load_session(segmentation_node, volume, model, predictor)
        except PromptError as error:
            self.notice = str(error)
        is_continued = session is not None
        session = session or VolumeSession(volume, model, window, predictor=predictor)
        self._changed = changed
        self._worker = worker
        self._scene = volume_node.GetScene()
        self._tags: list[int] = []
        self._preview = SegmentationPreview(volume_node)
        self.controller = Controller(Canvas(session, self.segments), worker, self._refresh, self._preview)
        self.markups = PromptMarkups(volume_node, PromptEvents(self._chosen, self._added, self._removed, self._refused))
        if not is_continued:
            self._remember_prompts()
        self._tags = [
            self._scene.AddObserver(self._scene.StartSaveEvent, lambda *_: self._store()),
            self._scene.AddObserver(self._scene.StartCloseEvent, lambda *_: self.close()),
        ]
        self._refresh()

    @property
    def is_open(self) -> bool:
        """Whether prompts are still listened to: not after `close`, nor after the scene was closed."""
        return bool(self._tags)

    def finish(self, timeout_seconds: float = 60.0) -> bool:
        """Wait for all that is worked on, for scripts; False when the time ran out. A panel delivers by a timer."""
        ends = time.monotonic() + timeout_seconds
        while self.controller.is_busy:
            if not self._worker.wait(max(ends - time.monotonic(), 0)):
                return False
            self.controller.deliver()
        return True

    def close(self) -> None:
        """Stop listening and forget what is not written; what the scene holds stays. Calling it again does nothing."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []
        self.controller.close()
        self.markups.close()
        self._preview.remove()

    def prompts_on(self, key: SliceKey) -> tuple[Prompt, ...]:
        """Prompts of the chosen segment on a slice."""
        return self.controller.all_prompts().get((self.segment_id or "", key), ())

    def _remember_prompts(self) -> None:
        """Keep the prompts of a scene whose session cannot be continued; those of segments that are gone go, too."""
        present = self.segments.segment_ids
        for segment_id, prompt in self.markups.shown():
            if segment_id in present:
                self.controller.canvas.remember(segment_id, prompt)

    def _chosen(self) -> str:
        if self.segment_id is None:
            raise PromptError("No segment is chosen. Choose or add one, then place the prompt.")
        return self.segment_id

    def _added(self, segment_id: str, prompt: Prompt) -> None:
        self.controller.add_prompt(segment_id, prompt)

    def _removed(self, segment_id: str, prompt: Prompt) -> None:
        self.controller.remove_prompt(segment_id, prompt)

    def _refused(self, error: DFQSAMError) -> None:
        self.controller.refuse(error)

    def _refresh(self) -> None:
        """Let the markups show what the controller has, as long as there is something to show it on."""
        if self.is_open and self.segments.volume_node.GetScene() is not None:
            prompts = self.controller.all_prompts().items()
            self.markups.show((segment_id, prompt) for (segment_id, _), found in prompts for prompt in found)
        self._changed()

    def _store(self) -> None:
        if self.segments.node.GetScene() is not None:
            self.controller.accept_preview()
            store_session(self.controller.canvas.session, self.segments.node)
