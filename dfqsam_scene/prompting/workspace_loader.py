"""From what is chosen to an open workspace, without keeping anybody waiting."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dfqsam_core.base.machine import physical_cores
from dfqsam_core.errors import DFQSAMError, UnknownConventionsError
from dfqsam_core.progress import Cancelled, ProgressCallback
from dfqsam_core.resources import DEMO_MODEL, resource_path
from dfqsam_core.runtime.engines.onnxruntime import import_engine
from dfqsam_core.volume import Volume, WindowLevel
from dfqsam_core.volume.session.history import History

from ..jobs.failure import sentence
from ..jobs.worker import Job, Worker
from ..nodes.volume_node import read_volume_node
from .choice import Choice
from .history import AnyStep
from .prompt_requests import Request
from .waiting import WaitingPrompts
from .window_texts import window_of
from .workspace import Workspace


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model and the state of its file when it was read."""

    path: Path
    conventions: str
    stamp: tuple[int, int]
    model: Any


class WorkspaceLoader:
    """Opens a workspace on the latest choice; in the worker's thread the window is found, then the model is loaded.

    Making one imports what the first prompt needs: a front end is opened then, which takes its time anyway.
    workspace: the open one, else None. window: what the chosen text means on the chosen volume, None until that is
    found. message: why there is no workspace, else empty. asks_conventions: whether that is because somebody must say
    how the model was trained. is_loading: whether one is on its way. waiting: what is asked for until one is
    open. changed: called after each change of these and of the workspace.
    """

    def __init__(self, worker: Worker, changed: Callable[[], None]) -> None:
        self.workspace: Workspace | None = None
        self.window: WindowLevel | None = None
        self.message = ""
        self.asks_conventions = False
        self.is_loading = False
        self._worker = worker
        self._changed = changed
        self._choice: Choice | None = None
        self._found: tuple[Volume, str] | None = None
        self._loaded: _Loaded | None = None
        self._job: Job | None = None
        self.waiting: WaitingPrompts | None = None
        self._history: tuple[Any, Any, History[AnyStep]] | None = None
        _import_ahead()

    @property
    def model(self) -> Any:
        """The model that was loaded last, None before the first."""
        return None if self._loaded is None else self._loaded.model

    @property
    def model_path(self) -> Path | None:
        """The file of `model`: another one than is chosen while that loads."""
        return None if self._loaded is None else self._loaded.path

    def history_of(self, choice: Choice) -> History[AnyStep]:
        """Return what was done to the chosen segments; it outlives the workspace where only the model changes."""
        nodes = choice.volume_node, choice.segmentation_node
        if self._history is None or any(one is not other for one, other in zip(self._history, nodes, strict=False)):
            self._history = (*nodes, History())
        return self._history[2]

    def choose(self, choice: Choice | None, again: bool = False) -> None:
        """Work on this from now on, None for nothing.

        again: even if it was tried before and failed, or after another panel took the prompts over.
        """
        if choice is None:
            if self._choice is not None:
                self.close(_loss(self._choice))
            return
        is_taken = self.workspace is not None and not self.workspace.is_open
        is_same = choice.opens_as(self._choice)
        if is_same and self.workspace is not None and not is_taken:
            return
        if (is_taken or is_same) and (not again or self.is_loading):
            return
        if self.waiting is not None and not self.waiting.is_on(choice.volume_node, choice.segmentation_node):
            self._end_waiting()
        if not self._has_nodes_of(choice):
            self._leave("")
        self._choice, self.message, self.asks_conventions = choice, "", False
        try:
            volume = read_volume_node(choice.volume_node)
        except DFQSAMError as error:
            self.refuse(error)
            return
        self.is_loading = True
        self._find_window(volume, choice)
        self._changed()

    def close(self, reason: str = "") -> None:
        """Leave the workspace; its session stays in the scene. reason: becomes the message."""
        self._end_waiting()
        self._leave(reason)

    def _leave(self, reason: str) -> None:
        if self._job is not None:
            self._job.cancelled.set()
        if self.workspace is not None:
            self.workspace.leave()
        self.workspace = self._choice = self._job = self._found = self.window = None
        self.message, self.is_loading = reason, False
        self._changed()

    def _end_waiting(self) -> tuple[Request, ...]:
        waiting, self.waiting = self.waiting, None
        return () if waiting is None else waiting.close()

    def _has_nodes_of(self, choice: Choice) -> bool:
        if self.workspace is None or not self.workspace.is_open:
            return False
        segments = self.workspace.segments
        return segments.volume_node is choice.volume_node and segments.node is choice.segmentation_node

    def _find_window(self, volume: Volume, choice: Choice) -> None:
        """Find out what the window's text means, once for each volume and text; then load the model."""

        def found(window: WindowLevel) -> None:
            self.window, self._found = window, (volume, choice.window)
            self._load(volume, choice, window)
            self._changed()

        known = self._found
        if self.window is not None and known is not None and known[0] is volume and known[1] == choice.window:
            self._load(volume, choice, self.window)
        else:
            self.window = None
            self._begin(Job(lambda _: window_of(choice.window, volume), found, self.refuse))

    def _load(self, volume: Volume, choice: Choice, window: WindowLevel) -> None:
        self._begin(
            Job(partial(self._prepare, volume, choice), lambda loaded: self._open(choice, loaded, window), self.refuse)
        )

    def _begin(self, job: Job) -> None:
        if self._job is not None:
            self._job.cancelled.set()
        self._job = self._worker.submit(job)

    def _prepare(self, volume: Volume, choice: Choice, report: ProgressCallback) -> _Loaded:
        """In the worker's thread: no node of the scene is touched here."""
        from dfqsam_core import load_model

        path = choice.model_path or resource_path(DEMO_MODEL)
        loaded, stamp = self._loaded, _stamp(path)
        asked = choice.conventions
        is_same = loaded is not None and (loaded.path, loaded.conventions) == (path, asked)
        if loaded is None or not is_same or stamp not in (loaded.stamp, _GONE):
            model = load_model(path, progress=report, encoders=_encoders(), conventions=asked or None)
            loaded = _Loaded(path, asked, stamp, model)
        # A session is known by it: computed here, it is there when the main thread loads or stores one.
        _ = volume.digest
        return loaded

    def _open(self, choice: Choice, loaded: _Loaded, window: WindowLevel) -> None:
        self._job, self.is_loading = None, False
        is_new_model = self._loaded is None or loaded.model is not self._loaded.model
        self._loaded = loaded
        before = self.workspace
        if before is not None and before.is_open and not is_new_model:
            before.change_window(window)
            return
        if before is not None and not before.is_open:
            # What another panel did meanwhile is in no history of ours.
            self._history = None
        elif is_new_model:
            self.history_of(choice).replace(lambda step: step.of_another_model())
        is_continued = before is not None and before.is_open
        waiting = before.controller.take_requests() if before is not None and is_continued else self._end_waiting()
        prompts = before.controller.all_prompts() if before is not None and is_continued else None
        segment_id = None if before is None else before.segment_id
        nodes = choice.volume_node, choice.segmentation_node
        try:
            history = self.history_of(choice)
            self.workspace = Workspace(
                *nodes, loaded.model, self._worker, window, self._changed, prompts=prompts, history=history
            )
        except DFQSAMError as error:
            self.refuse(error)
            return
        if before is not None and is_continued:
            self.workspace.know_ends(before)
        self.workspace.segment_id = segment_id or choice.segment_id or None
        if self.workspace.window.bounds != window.bounds:
            # A session from the scene brought its own; the one that is chosen now counts.
            self.workspace.change_window(window)
        if before is not None:
            # It said that another panel prompts now; that is this one.
            before.notice = ""
        for request in waiting:
            self.workspace.controller.ask(request)
        self._changed()

    def refuse(self, error: BaseException) -> None:
        """Make an error the message: why nothing can be prompted on."""
        if isinstance(error, Cancelled):
            return
        self._end_waiting()
        self.is_loading, self._job = False, None
        self.asks_conventions = isinstance(error, UnknownConventionsError)
        if isinstance(error, (DFQSAMError, OSError)):
            self.message = str(error)
        elif isinstance(error, ImportError):
            self.message = f"A package is missing: {error}. Press Install, or start Slicer again after installing."
        else:
            self.message = sentence(error)
        self._changed()


def _encoders() -> int:
    """One core is left to the program that people look at."""
    return max(1, physical_cores() - 1)


def _import_ahead() -> None:
    import_engine()
    with contextlib.suppress(ImportError):
        # Of the distances that strokes and propagation need; as long as several predictions.
        import scipy.ndimage  # noqa: F401


def _loss(choice: Choice) -> str:
    """Which node went away, in a sentence; empty where both are there and something else was chosen."""
    if choice.volume_node.GetScene() is None:
        return "The volume was removed from the scene. Segments keep what was written. Choose another volume."
    if choice.segmentation_node.GetScene() is None:
        return "The segmentation was removed from the scene. Choose another one, or a tool to begin a new one."
    return ""


# A model stays loaded and in use when its file is removed.
_GONE = (0, 0)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = os.stat(path)
    except OSError:
        return _GONE
    return state.st_mtime_ns, state.st_size
