"""What a person works on: one volume, its segments, one model; the page asks, DFQSAMSlicerLib does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.resources import DEMO_MODEL, resource_path
from dfqsam_core.volume import SliceKey, Volume, WindowLevel, choose_window
from dfqsam_core.volume.prompts import Prompt
from dfqsam_scene.jobs.failure import sentence
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.slice_views import PresentSlice, show_slice, shown_slice
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.opening import Choice, Opening
from dfqsam_scene.prompting.window_texts import AUTO
from dfqsam_scene.prompting.workspace import Workspace

from .surface import Surface
from .tools import Tools
from .world import SLICES, World

_MADE_HERE = "DFQSAMSlicer.madeByViewer"
# Okabe and Ito's colours, which colour-blind people tell apart, without those near the green, red and yellow that
# points and previews have.
_COLORS = ((86, 180, 233), (230, 159, 0), (204, 121, 167), (0, 158, 115), (213, 94, 0), (150, 130, 255))
_log = logging.getLogger(__name__)


class Desk:
    """The present volume, segmentation, segment, model and window; `tick` does all that is due.

    notice: one sentence about something outside the controller (a file, a view); notice_is_error: whether that is a
    refusal. changed: called when something may have to be shown anew.
    """

    def __init__(self, world: World, changed: Callable[[], None], model_path: Path | None = None) -> None:
        self.world, self.worker = world, Worker()
        self.opening = Opening(self.worker, self._hear)
        self.surface = Surface(world.scene)
        self.volume: Volume | None = None
        self.volume_node: Any = None
        self.segmentation_node: Any = None
        self.segment_id = ""
        self.window = AUTO
        self.model_path = model_path or resource_path(DEMO_MODEL)
        self.auto_accept = True
        self.notice, self.notice_is_error = "", False
        self._changed = changed
        self._is_due = True
        self._saved_state: tuple[tuple[object, ...], ...] = ()
        self.listen()

    @property
    def workspace(self) -> Workspace | None:
        """The open workspace, None before there is one."""
        workspace = self.opening.workspace
        return workspace if workspace is not None and workspace.is_open else None

    @property
    def has_unsaved_work(self) -> bool:
        """Whether a segment was changed since it was opened or saved."""
        return self._state() != self._saved_state

    @property
    def key(self) -> SliceKey | None:
        """The slice in the view that the mouse was in last."""
        return None if self.volume_node is None else self.present.key(self.volume_node)

    def tick(self) -> None:
        """Take over what the worker finished, follow what was chosen; cheap when nothing happened."""
        self.worker.deliver()
        if self._is_due:
            self._is_due = False
            self._follow()
            self._changed()

    def use_volume(self, volume: Volume | None, volume_node: Any, segmentation_node: Any = None) -> None:
        """Work on a volume of the scene from now on; volume: as the core read it, None for a node's own.

        Raises SceneError or VolumeError for one that cannot be segmented, before anything is changed.
        """
        volume = volume or read_volume_node(volume_node)
        window = choose_window(AUTO, volume.voxels_kji, volume.modality)
        self.volume, self.volume_node, self.window = volume, volume_node, AUTO
        self.world.show_volume(volume_node)
        # Dragging in a view changes the window behind our back; the observer goes with the node.
        volume_node.GetDisplayNode().AddObserver("ModifiedEvent", lambda *_: self.refresh())
        self.show_window(window)
        if segmentation_node is None:
            segmentation_node = new_segmentation(volume_node, "segmentation")
            segmentation_node.SetAttribute(_MADE_HERE, "1")
        self.use_segmentation(segmentation_node)

    def use_segmentation(self, segmentation_node: Any) -> None:
        """Draw into a segmentation from now on; one without a segment gets a first one."""
        self.surface.hide()
        self._drop_unused_segmentation()
        self.segmentation_node = segmentation_node
        ids = segmentation_node.GetSegmentation().GetSegmentIDs()
        if ids:
            self.segment_id = ids[0]
        else:
            self.add_segment()
        self.mark_saved()
        self.refresh()

    def forget(self) -> None:
        """Leave volume and segmentation, before the scene is replaced."""
        self.tools.close()
        self.present.close()
        self.opening.close()
        self.surface.hide()
        self.volume = self.volume_node = self.segmentation_node = None
        self.segment_id = ""

    def listen(self) -> None:
        """Watch the views of the scene, anew after it was replaced."""
        self.present = PresentSlice(self.world.scene, self.refresh)
        self.tools = Tools(self.world.scene, self.refresh)

    def add_segment(self) -> None:
        """Add an empty segment and choose it."""
        self.require_volume()
        segmentation = self.segmentation_node.GetSegmentation()
        color = _COLORS[segmentation.GetNumberOfSegments() % len(_COLORS)]
        self.segment_id = segmentation.AddEmptySegment("", "", [part / 255 for part in color])
        self.refresh()

    def remove_segment(self, segment_id: str) -> None:
        """Remove a segment with its prompts; what is worked on is cancelled. Raises PromptError when it is gone."""
        self.segment(segment_id)
        if self.workspace is not None and self.workspace.controller.is_busy:
            self.workspace.controller.cancel()
        self.segmentation_node.GetSegmentation().RemoveSegment(segment_id)
        if segment_id == self.segment_id:
            self.segment_id = next(iter(self.segmentation_node.GetSegmentation().GetSegmentIDs()), "")
        self.refresh()

    def segment(self, segment_id: str) -> Any:
        """The vtkSegment; raises PromptError when it is gone."""
        found = (
            None if self.segmentation_node is None else self.segmentation_node.GetSegmentation().GetSegment(segment_id)
        )
        if found is None:
            raise PromptError("This segment is gone. Choose another one.")
        return found

    def require_volume(self) -> Volume:
        """The present volume; raises PromptError while there is none."""
        if self.volume is None:
            raise PromptError("There is no volume yet. Open one first.")
        return self.volume

    def require_workspace(self) -> Workspace:
        """The open workspace; raises PromptError while there is none."""
        self.require_volume()
        if self.workspace is None:
            raise PromptError(self.opening.message or "The model is being loaded. Try again in a moment.")
        return self.workspace

    def show_window(self, window: WindowLevel) -> None:
        """Display the volume through a window."""
        display = self.volume_node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(window.width, window.level)

    def go_to(self, axis: str, index: int) -> None:
        """Show a slice in the views that show its axis; an index outside becomes the nearest one."""
        last = self.require_volume().geometry.size_along(axis) - 1
        show_slice(self.volume_node, SliceKey(axis, min(max(index, 0), last)))

    def step(self, slices: int) -> None:
        """Go some slices on in the view that the mouse was in last."""
        key = self.key
        if key is not None:
            self.go_to(key.axis, key.index + slices)

    def key_of(self, view: str) -> SliceKey | None:
        """The slice that a view shows."""
        if self.volume_node is None or view not in SLICES:
            return None
        return shown_slice(self.volume_node, self.world.slice_node(view))

    def remove_last_prompt(self) -> None:
        """Take back the newest prompt of the chosen segment on the present slice."""
        workspace, key = self.require_workspace(), self.key
        prompts: tuple[Prompt, ...] = () if key is None else workspace.prompts_on(key)
        if not prompts:
            raise PromptError("The chosen segment has no prompt on this slice.")
        workspace.controller.remove_prompt(self.segment_id, prompts[-1])

    def refresh(self) -> None:
        """Have everything shown anew with the next tick."""
        self._is_due = True

    def say(self, notice: str, is_error: bool = False) -> None:
        """Show a sentence until the next action."""
        self.notice, self.notice_is_error = notice, is_error
        self.refresh()

    def tell_defect(self, error: Exception) -> None:
        """Say that something failed which should not have, and log where."""
        _log.error("A step of the viewer failed", exc_info=error)
        self.say(sentence(error), is_error=True)

    def mark_saved(self) -> None:
        """Count the segments as they are now as saved."""
        self._saved_state = self._state()

    def close(self) -> None:
        """End all work; the scene keeps what is in it."""
        self.forget()
        self.worker.close()

    def _hear(self) -> None:
        """Let what the opening or the controller has to say take the place of an older notice."""
        workspace = self.workspace
        controller = None if workspace is None else workspace.controller
        has_news = controller is not None and (controller.message or controller.is_busy)
        if self.opening.message or has_news or (workspace is not None and workspace.notice):
            self.notice = ""
        self.refresh()

    def _follow(self) -> None:
        """Open what is chosen, and hand the choices on."""
        if self.volume_node is None or self.segmentation_node is None:
            return
        self.opening.choose(Choice(self.volume_node, self.segmentation_node, self.model_path, self.window))
        workspace = self.workspace
        if workspace is None:
            self.tools.hold()
            return
        workspace.segment_id = self.segment_id or None
        workspace.controller.auto_accept = self.auto_accept
        self.tools.follow(workspace.markups)
        if self.key is not None:
            workspace.look_at(self.key)

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
            self.opening.close()
            node.GetScene().RemoveNode(node)


def guarded(desk: Desk, action: Callable[[], None]) -> None:
    """Do what a person asked for; what is refused becomes the notice.

    A page of another version, or somebody's own requests, may give arguments of a wrong kind: those are refused, too.
    """
    desk.notice, desk.notice_is_error = "", False
    try:
        action()
    except (DFQSAMError, OSError) as error:
        desk.say(str(error), is_error=True)
    except (TypeError, ValueError) as error:
        desk.say(f"This cannot be done: {error}", is_error=True)
    except Exception as error:  # noqa: BLE001 - the scene must outlive a defect
        desk.tell_defect(error)
