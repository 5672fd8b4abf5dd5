"""From what is chosen in a panel to an open workspace, without keeping anybody waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.progress import Cancelled
from dfqsam_core.volume import Volume, WindowLevel, choose_window

from ..jobs.failure import sentence
from ..jobs.worker import Job, Worker
from ..nodes.volume_node import read_volume_node
from .workspace import Workspace


@dataclass(frozen=True)
class Choice:
    """What to prompt on, and with what; window: as `choose_window` takes it."""

    volume_node: Any
    segmentation_node: Any
    model_path: Path
    window: str


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model and the state of its file when it was read."""

    path: Path
    stamp: tuple[int, int]
    model: Any


class Opening:
    """Opens a workspace on the latest choice; models are loaded and windows found in the worker's thread.

    workspace: the open one, else None. message: why there is none, else empty. is_loading: whether one is on its way.
    changed: called after each change of these and of the workspace.
    """

    def __init__(self, worker: Worker, changed: Callable[[], None]) -> None:
        self.workspace: Workspace | None = None
        self.message = ""
        self.is_loading = False
        self._worker = worker
        self._changed = changed
        self._choice: Choice | None = None
        self._loaded: _Loaded | None = None
        self._job: Job | None = None

    @property
    def model(self) -> Any:
        """The model that was loaded last, None before the first."""
        return None if self._loaded is None else self._loaded.model

    def choose(self, choice: Choice | None, again: bool = False) -> None:
        """Work on this from now on, None for nothing.

        again: even if it was tried before and failed, or after another panel took the prompts over.
        """
        if choice is None:
            if self._choice is not None:
                self.close(_loss(self._choice))
            return
        is_taken = self.workspace is not None and not self.workspace.is_open
        if not again and (is_taken or choice == self._choice):
            return
        if choice == self._choice and self.workspace is not None and not is_taken:
            return
        if not self._has_nodes_of(choice):
            self.close()
        self._choice, self.message = choice, ""
        try:
            volume = read_volume_node(choice.volume_node)
        except DFQSAMError as error:
            self.refuse(error)
            return
        if self._job is not None:
            self._job.cancelled.set()
        self.is_loading = True
        self._job = self._worker.submit(
            Job(lambda _: self._prepare(volume, choice), lambda found: self._open(choice, *found), self.refuse)
        )
        self._changed()

    def close(self, reason: str = "") -> None:
        """Leave the workspace; its session stays in the scene. reason: becomes the message."""
        if self._job is not None:
            self._job.cancelled.set()
        if self.workspace is not None:
            self.workspace.leave()
        self.workspace = self._choice = self._job = None
        self.message, self.is_loading = reason, False
        self._changed()

    def _has_nodes_of(self, choice: Choice) -> bool:
        if self.workspace is None or not self.workspace.is_open:
            return False
        segments = self.workspace.segments
        return segments.volume_node is choice.volume_node and segments.node is choice.segmentation_node

    def _prepare(self, volume: Volume, choice: Choice) -> tuple[_Loaded, WindowLevel]:
        """In the worker's thread: no node of the scene is touched here."""
        from dfqsam_core import load_model

        loaded = self._loaded
        stamp = _stamp(choice.model_path)
        if loaded is None or loaded.path != choice.model_path or stamp not in (loaded.stamp, _GONE):
            loaded = _Loaded(choice.model_path, stamp, load_model(choice.model_path))
        # A session is known by it: computed here, it is there when the main thread loads or stores one.
        _ = volume.digest
        return loaded, choose_window(choice.window, volume.voxels_kji, volume.modality)

    def _open(self, choice: Choice, loaded: _Loaded, window: WindowLevel) -> None:
        self._job, self.is_loading = None, False
        is_new_model = self._loaded is None or loaded.model is not self._loaded.model
        self._loaded = loaded
        before = self.workspace
        if before is not None and before.is_open and not is_new_model:
            before.change_window(window)
            return
        prompts = before.controller.all_prompts() if before is not None and before.is_open else None
        segment_id = None if before is None else before.segment_id
        try:
            self.workspace = Workspace(
                choice.volume_node,
                choice.segmentation_node,
                loaded.model,
                self._worker,
                window,
                self._changed,
                prompts=prompts,
            )
        except DFQSAMError as error:
            self.refuse(error)
            return
        self.workspace.segment_id = segment_id
        if self.workspace.window.bounds != window.bounds:
            # A session from the scene brought its own; the one that is chosen now counts.
            self.workspace.change_window(window)
        if before is not None:
            # It said that another panel prompts now; that is this one.
            before.notice = ""
        self._changed()

    def refuse(self, error: BaseException) -> None:
        """Make an error the message: why nothing can be prompted on."""
        if isinstance(error, Cancelled):
            return
        self.is_loading, self._job = False, None
        if isinstance(error, (DFQSAMError, OSError)):
            self.message = str(error)
        elif isinstance(error, ImportError):
            self.message = f"A package is missing: {error}. Press Install, or start Slicer again after installing."
        else:
            self.message = sentence(error)
        self._changed()


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
