"""What the steps of a walk share: a front end on the scene, the sample in it, and a folder for what they write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import slicer

from dfqsam_core.volume import SliceKey
from dfqsam_scene.nodes.slice_views import show_slice
from dfqsam_scene.prompting.choice import Choice
from dfqsam_scene.prompting.place_tool import Views
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting
from dfqsam_scene.prompting.verbs import Verbs

from . import hands
from .pictures import picture_of_slice, picture_of_view
from .timing import Picture


class Stage(Protocol):
    """A front end of prompting, and what its timer calls."""

    room: Prompting
    views: Views
    tick: Callable[[], object]

    def before_close(self) -> None:
        """The scene is about to be closed."""

    def after_load(self) -> None:
        """Another scene is there."""

    def close(self) -> None:
        """The walk is over."""


class PanelStage:
    """The module's own panel, which is shown; tick: of its Widget, which follows the scene by itself."""

    def __init__(self, room: Prompting, tick: Callable[[], object], views: Views) -> None:
        self.room, self.tick, self.views = room, tick, views
        self._model_path = room.choice.model_path

    def before_close(self) -> None:
        """The Widget hears it from the scene."""

    def after_load(self) -> None:
        """The Widget hears it from the scene."""

    def close(self) -> None:
        """Leave the panel with the model that it had."""
        self.room.choose(model_path=self._model_path)


class ScriptStage:
    """A front end without widgets, where the panel is not shown. views: the slice views that are shown."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.room = Prompting(FrontEnd(views=views))
        self.tick: Callable[[], object] = self.room.tick
        self.room.begin(slicer.mrmlScene)

    def before_close(self) -> None:
        """Leave the nodes before they go."""
        self.room.end()
        self.room.choice = Choice()

    def after_load(self) -> None:
        """Begin on the new ones."""
        self.room.begin(slicer.mrmlScene)

    def close(self) -> None:
        """End the thread."""
        self.room.close()


class Walk:
    """A person in front of a stage. folder: for what the steps write, emptied by the caller.

    checkpoint: what is quantized.
    volume_node: the sample, None before it is loaded. labels_kji: what experts drew on it, 0 for nothing. masks: what
    was segmented, by segment and slice, for later steps to compare with. model_path: of the model that was made.
    """

    def __init__(self, stage: Stage, folder: Path, checkpoint: Path) -> None:
        self.stage, self.folder, self.checkpoint = stage, folder, checkpoint
        self.verbs = Verbs(stage.room)
        self.volume_node: Any = None
        self.labels_kji = np.zeros((0, 0, 0), np.int64)
        self.masks: dict[tuple[str, SliceKey], np.ndarray] = {}
        self.job: Any = None
        self.model_path: Path | None = None
        self._pictures: list[Picture] = []

    @property
    def room(self) -> Prompting:
        """The stage's."""
        return self.stage.room

    def is_idle(self) -> bool:
        """Return whether the front end has done and shown all that it was asked for."""
        return self.room.is_idle

    def has_tool(self) -> bool:
        """Return whether the next click places a prompt."""
        tool = self.room.place_tool
        return self.is_idle() and tool is not None and tool.place_mode.node is not None

    def look_at(self, key: SliceKey) -> None:
        """Show a slice in the views of its axis."""
        show_slice(self.volume_node, key)

    def click(self, key: SliceKey, places_ijk: list[hands.Ijk], is_stroke: bool = False) -> None:
        """Click voxels of a slice that is shown, with the tool that is down; is_stroke: in one movement."""
        tool = self.room.place_tool
        assert tool is not None
        assert tool.place_mode.node is not None, "No tool could be chosen."
        view = hands.drawing_view(self.stage.views(), self.volume_node, key)
        if view is None:
            hands.enter_view(self.volume_node, key)
        act = hands.stroke if is_stroke else hands.place
        act(tool.place_mode.node, self.volume_node, places_ijk, view)

    def mask(self, segment_id: str, key: SliceKey) -> np.ndarray:
        """(rows, columns) bool: what the scene's segmentation has there now."""
        return self.room.require_workspace().segments.read(segment_id, key)

    def require_no_refusal(self) -> None:
        """Raise AssertionError with the sentence where the front end has refused something."""
        text, is_error = self.room.sentence
        assert not is_error, text

    def take_picture(self, key: SliceKey, segment_id: str, caption: str) -> None:
        """Keep a picture of a slice for the report: of its view, or of voxels and mask where none is drawn."""
        view = hands.drawing_view(self.stage.views(), self.volume_node, key)
        if view is not None:
            png = picture_of_view(view[1])
        else:
            workspace = self.room.require_workspace()
            plane = np.take(workspace.session.volume.voxels_kji, key.index, axis="KJI".index(key.axis))
            png = picture_of_slice(plane, self.mask(segment_id, key), *workspace.window.bounds)
        self._pictures.append(Picture(png, caption))

    def take_file(self, path: Path | None, caption: str) -> None:
        """Keep a PNG file for the report; None is none."""
        if path is not None:
            self._pictures.append(Picture(path.read_bytes(), caption))

    def take_pictures(self) -> tuple[Picture, ...]:
        """The pictures since the last call."""
        found, self._pictures = tuple(self._pictures), []
        return found

    def close_scene(self) -> None:
        """Close the scene, as *File > Close Scene* does."""
        self.stage.before_close()
        slicer.mrmlScene.Clear(0)

    def end(self) -> None:
        """Leave an empty scene and no process."""
        if self.job is not None:
            self.job.cancel()
        self.close_scene()
        self.stage.after_load()
        self.stage.close()


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two bool arrays of one shape, 1 where both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 1.0 if total == 0 else 2.0 * int((first & second).sum()) / total


def moved(key: SliceKey, by: int) -> SliceKey:
    """The slice `by` slices further along the axis."""
    return replace(key, index=key.index + by)
