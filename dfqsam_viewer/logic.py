"""What a person works on: one volume in its views, around the room of prompting that the Slicer module has, too."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.resources import DEMO_MODEL, resource_path
from dfqsam_core.volume import SliceKey, Volume, WindowLevel
from dfqsam_core.volume.window import presets_of
from dfqsam_scene.jobs.failure import sentence
from dfqsam_scene.jobs.journals import Journals
from dfqsam_scene.nodes.rulers import RulerChanges
from dfqsam_scene.nodes.segment_numbers import keep_numbers
from dfqsam_scene.nodes.segment_statistics import SegmentSize
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.slice_views import show_slice, shown_slice
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting
from dfqsam_scene.prompting.verbs import Verbs
from dfqsam_scene.prompting.window_texts import AUTO, DISPLAYED
from dfqsam_scene.prompting.workspace import Workspace

from .surface import Surface
from .world import SLICES, World

_MADE_HERE = "DFQSAMSlicer.madeByViewer"
_log = logging.getLogger(__name__)


class ViewerLogic:
    """The volume on the page with its views and files, around the room of prompting; `tick` does all that is due.

    changed: called when something may have to be shown anew. journals: folder where work is kept against a crash.
    arrived: as Worker has it: the next tick should come at once.
    """

    def __init__(
        self,
        world: World,
        changed: Callable[[], None],
        model_path: Path | None = None,
        journals: Path | None = None,
        arrived: Callable[[], None] = lambda: None,
        conventions: str = "",
    ) -> None:
        self.world = world
        advice = "Open a CT or MR volume, or the sample."
        if journals is not None and Journals(journals).are_there():
            advice = "Work that was not saved is kept: open its volume to continue. " + advice
        # Hears of slices that are about to change.
        self.brought_to_view: Callable[[Collection[SliceKey]], None] = lambda keys: None
        front = FrontEnd(
            views=world.slice_views,
            without_volume=advice,
            window_by_mouse=True,
            prepare=self._prepare,
            journals=journals,
            begun=arrived,
            arrived=arrived,
            keeps_lock=False,
        )
        self.room = Prompting(front)
        self.verbs = Verbs(self.room)
        self.surface = Surface(world.scene)
        self.volume: Volume | None = None
        # Of the last table that was asked for, None while none is shown.
        self.sizes: tuple[SegmentSize, ...] | None = None
        # Patient and series, as the files have them.
        self.caption = ""
        # Of windows, those of the volume's modality.
        self.presets: tuple[str, ...] = ()
        self._changed = changed
        self._ruler_changes = RulerChanges(self.refresh)
        # The views follow the model's window when that was chosen, and not when they were changed with the mouse.
        self._shows_window = False
        self._saved_state: tuple[tuple[object, ...], ...] = ()
        self.room.choose(model_path=model_path, conventions=conventions)
        self.listen()

    @property
    def volume_node(self) -> Any:
        """The present volume's node, None for none."""
        return self.room.choice.volume_node

    @property
    def segmentation_node(self) -> Any:
        """The present segmentation's node, None for none."""
        return self.room.choice.segmentation_node

    @property
    def model_path(self) -> Path:
        """The model in use."""
        return self.room.choice.model_path or resource_path(DEMO_MODEL)

    @property
    def has_unsaved_work(self) -> bool:
        """True where a segment was changed since it was opened or saved."""
        return self._state() != self._saved_state

    def tick(self) -> None:
        """Take over what the worker finished, follow what was chosen; cheap when nothing happened."""
        if self.world.follow_sizes():
            self.refresh()
        if self.room.tick():
            self._ruler_changes.watch(self.world.scene)
            window = self.room.loader.window
            if self._shows_window and window is not None:
                self._shows_window = False
                self._show_window(window)
            self._changed()

    def use_volume(self, volume: Volume | None, volume_node: Any, segmentation_node: Any = None) -> None:
        """Work on a volume of the scene from now on; volume: as the core read it, None for a node's own.

        Raises SceneError or VolumeError for one that cannot be segmented, before anything is changed.
        """
        self.volume = volume or read_volume_node(volume_node)
        self.presets = presets_of(self.volume.voxels_kji, self.volume.modality)
        self.room.choose(volume_node=volume_node, window=AUTO)
        self._shows_window = True
        self.world.show_volume(volume_node)
        # Dragging in a view changes the window behind our back; the observer goes with the node.
        volume_node.GetDisplayNode().AddObserver("ModifiedEvent", lambda *_: self.refresh())
        if segmentation_node is None:
            segmentation_node = new_segmentation(volume_node, "segmentation")
            segmentation_node.SetAttribute(_MADE_HERE, "1")
        self.use_segmentation(segmentation_node)

    def use_segmentation(self, segmentation_node: Any) -> None:
        """Draw into a segmentation from now on; one without a segment gets a first one."""
        self.surface.hide()
        self._drop_unused_segmentation()
        ids = segmentation_node.GetSegmentation().GetSegmentIDs()
        self.room.choose(segmentation_node=segmentation_node, segment_id=next(iter(ids), ""))
        if not ids:
            self.verbs.add_first_segment()
        keep_numbers(segmentation_node.GetSegmentation())
        self.mark_saved()
        self.refresh()

    def forget(self) -> None:
        """Leave volume and segmentation, before the scene is replaced; unsaved work is offered when they come again."""
        self.room.forget_work(keep=self.has_unsaved_work)
        self.room.end()
        self.surface.hide()
        self.volume, self.sizes, self.caption = None, None, ""
        self.room.choose(volume_node=None, segmentation_node=None, segment_id="")

    def listen(self) -> None:
        """Watch the views of the scene, anew after it was replaced."""
        self.room.begin(self.world.scene)

    def require_volume(self) -> Volume:
        """The present volume; raises PromptError while there is none."""
        if self.volume is None:
            raise PromptError("There is no volume yet. Open one first.")
        return self.volume

    def change_window(self, text: str) -> None:
        """Another window for the model; the views follow, unless it is their own that the model shall have."""
        self.verbs.change_window(text)
        self._shows_window = text != DISPLAYED

    def go_to(self, axis: str, index: int) -> None:
        """Show a slice in the views that show its axis; an index outside becomes the nearest one."""
        last = self.require_volume().geometry.size_along(axis) - 1
        show_slice(self.volume_node, SliceKey(axis, min(max(index, 0), last)))

    def step(self, slices: int) -> None:
        """Go some slices on in the view that the mouse was in last."""
        key = self.room.key
        if key is not None:
            self.go_to(key.axis, key.index + slices)

    def key_of(self, view: str) -> SliceKey | None:
        """The slice that a view shows."""
        if self.volume_node is None or view not in SLICES:
            return None
        return shown_slice(self.volume_node, self.world.slice_node(view))

    def refresh(self) -> None:
        """Follow and show with the next tick."""
        self.room.note_change()

    def say(self, text: str, is_error: bool = False) -> None:
        """Show a sentence."""
        self.room.say(text, is_error)

    def tell_defect(self, error: Exception) -> None:
        """Say that something failed which should not have, and log where."""
        _log.error("A step of the viewer failed", exc_info=error)
        self.say(sentence(error), is_error=True)

    def continue_work(self) -> None:
        """Draw into what an earlier run left of this volume from now on; raises PromptError where that cannot be."""
        self.require_volume()
        if self.room.keeping is not None:
            self.use_segmentation(self.room.keeping.take_up(self.room.loader.model))
            self._saved_state = ()

    def mark_saved(self) -> None:
        """Count the segments as they are now as saved."""
        self._saved_state = self._state()

    def close(self) -> None:
        """End all work; the scene keeps what is in it."""
        self.forget()
        self.room.close()

    def _prepare(self, workspace: Workspace) -> None:
        workspace.brought_to_view = lambda keys: self.brought_to_view(keys)

    def _show_window(self, window: WindowLevel) -> None:
        display = self.volume_node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(window.width, window.level)

    def _segments(self) -> list[tuple[str, Any, Any]]:
        """ID, vtkSegment and voxels (None while nothing was drawn) of each segment."""
        if self.segmentation_node is None:
            return []
        segmentation = self.segmentation_node.GetSegmentation()
        kind = segmentation.GetSourceRepresentationName()
        segments = [(segment_id, segmentation.GetSegment(segment_id)) for segment_id in segmentation.GetSegmentIDs()]
        voxels = [segment.GetRepresentation(kind) for _, segment in segments]
        return [
            (*segment, None if found is None or found.IsEmpty() else found)
            for segment, found in zip(segments, voxels, strict=True)
        ]

    def _state(self) -> tuple[tuple[object, ...], ...]:
        """Changes with each change of a segment's voxels, name or colour, and with nothing else."""
        return tuple(
            (segment_id, segment.GetName(), segment.GetColor(), None if voxels is None else voxels.GetMTime())
            for segment_id, segment, voxels in self._segments()
        )

    def _drop_unused_segmentation(self) -> None:
        """Remove the one that was made for a volume, when nothing was drawn into it before another was opened."""
        node = self.segmentation_node
        if node is None or node.GetScene() is None or not node.GetAttribute(_MADE_HERE):
            return
        if all(voxels is None for *_, voxels in self._segments()):
            self.room.loader.close()
            node.GetScene().RemoveNode(node)


def guarded(logic: ViewerLogic, action: Callable[[], None]) -> None:
    """Do what a person asked for; what is refused becomes the notice.

    A page of another version, or somebody's own requests, may give arguments of a wrong kind: those are refused, too.
    """
    logic.room.notice = ""
    try:
        action()
    except (DFQSAMError, OSError) as error:
        logic.say(str(error), is_error=True)
    except (TypeError, ValueError) as error:
        logic.say(f"This cannot be done: {error}", is_error=True)
    except Exception as error:  # noqa: BLE001 - the scene must outlive a defect
        logic.tell_defect(error)
