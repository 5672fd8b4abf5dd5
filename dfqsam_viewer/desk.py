"""What a person works on: one volume, its segments, one model; the page asks, DFQSAMSlicerLib does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from DFQSAMSlicerLib.opening import Choice, Opening
from DFQSAMSlicerLib.scene import new_segmentation
from DFQSAMSlicerLib.slice_views import PresentSlice, show_slice, shown_slice
from DFQSAMSlicerLib.volume_node import read_volume_node
from DFQSAMSlicerLib.worker import Worker
from DFQSAMSlicerLib.workspace import Workspace

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.resources import DEMO_MODEL, resource_path
from dfqsam_core.volume import SliceKey, Volume, WindowLevel, choose_window
from dfqsam_core.volume.prompts import Prompt

from .surface import Surface
from .tools import Tools
from .world import SLICES, World

AUTO = "auto"
_MADE_HERE = "DFQSAMSlicer.madeByViewer"
# Okabe and Ito's colours, which colour-blind people tell apart, without those near the green, red and yellow that
# points and previews have.
_COLORS = ((86, 180, 233), (230, 159, 0), (204, 121, 167), (0, 158, 115), (213, 94, 0), (150, 130, 255))


class Desk:
    """The present volume, segmentation, segment, model and window; `tick` does all that is due.

    notice: one sentence about something outside the controller (a file, a view); notice_is_error: whether that is a
    refusal. changed: called when something may have to be shown anew.
    """

    def __init__(self, world: World, changed: Callable[[], None], model_path: Path | None = None) -> None:
        self.world, self.worker = world, Worker()
        self.opening = Opening(self.worker, self._note_change)
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
        self._saved_state: tuple[tuple[str, int, int], ...] = ()
        self._listen()

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

        Raises SceneError or VolumeError for one that cannot be segmented, and stays with the earlier one.
        """
        self.volume = volume or read_volume_node(volume_node)
        self.volume_node = volume_node
        self.world.show_volume(volume_node)
        # Dragging in a view changes the window behind our back; the observer goes with the node.
        volume_node.GetDisplayNode().AddObserver("ModifiedEvent", lambda *_: self._note_change())
        self.window = AUTO
        self.show_window(choose_window(AUTO, self.volume.voxels_kji, self.volume.modality))
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
        self._note_change()

    def forget(self) -> None:
        """Leave volume and segmentation, before the scene is replaced."""
        self.tools.close()
        self.present.close()
        self.opening.close()
        self.surface.hide()
        self.volume = self.volume_node = self.segmentation_node = None
        self.segment_id = ""

    def listen_again(self) -> None:
        """Watch the views of a scene that was replaced."""
        self._listen()

    def add_segment(self) -> None:
        """Add an empty segment and choose it."""
        self._require_volume()
        segmentation = self.segmentation_node.GetSegmentation()
        color = _COLORS[segmentation.GetNumberOfSegments() % len(_COLORS)]
        self.segment_id = segmentation.AddEmptySegment("", "", [part / 255 for part in color])
        self._note_change()

    def remove_segment(self, segment_id: str) -> None:
        """Remove a segment with its prompts; what is worked on is cancelled."""
        if self.workspace is not None and self.workspace.controller.is_busy:
            self.workspace.controller.cancel()
        self.segmentation_node.GetSegmentation().RemoveSegment(segment_id)
        ids = self.segmentation_node.GetSegmentation().GetSegmentIDs()
        self.segment_id = ids[0] if ids else ""
        self._note_change()

    def segment(self, segment_id: str) -> Any:
        """The vtkSegment; raises PromptError when it is gone."""
        found = (
            None if self.segmentation_node is None else self.segmentation_node.GetSegmentation().GetSegment(segment_id)
        )
        if found is None:
            raise PromptError("This segment is gone. Choose another one.")
        return found

    def require_workspace(self) -> Workspace:
        """The open workspace; raises PromptError while there is none."""
        self._require_volume()
        if self.workspace is None:
            raise PromptError(self.opening.message or "The model is being loaded. Try again in a moment.")
        return self.workspace

    def show_window(self, window: WindowLevel) -> None:
        """Display the volume through a window."""
        display = self.volume_node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(window.width, window.level)

    def go_to(self, key: SliceKey) -> None:
        """Show a slice in the views that show its axis."""
        show_slice(self.volume_node, key)

    def step(self, slices: int) -> None:
        """Go some slices on in the view that the mouse was in last."""
        key = self.key
        if key is not None and self.volume is not None:
            last = self.volume.geometry.size_along(key.axis) - 1
            self.go_to(SliceKey(key.axis, min(max(key.index + slices, 0), last)))

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
        self._note_change()

    def say(self, notice: str, is_error: bool = False) -> None:
        """Show a sentence until the next action."""
        self.notice, self.notice_is_error = notice, is_error
        self._note_change()

    def mark_saved(self) -> None:
        """Count the segments as they are now as saved."""
        self._saved_state = self._state()

    def close(self) -> None:
        """End all work; the scene keeps what is in it."""
        self.forget()
        self.worker.close()

    def _listen(self) -> None:
        self.present = PresentSlice(self.world.scene, self._note_change)
        self.tools = Tools(self.world.scene, self._note_change)

    def _note_change(self) -> None:
        self._is_due = True

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

    def _state(self) -> tuple[tuple[str, int, int], ...]:
        """Changes with each change of a segment's voxels, name or colour."""
        if self.segmentation_node is None:
            return ()
        segmentation = self.segmentation_node.GetSegmentation()
        kind = segmentation.GetSourceRepresentationName()
        segments = [(segment_id, segmentation.GetSegment(segment_id)) for segment_id in segmentation.GetSegmentIDs()]
        return tuple(
            (segment_id, segment.GetMTime(), 0 if voxels is None else voxels.GetMTime())
            for segment_id, segment in segments
            for voxels in [segment.GetRepresentation(kind)]
        )

    def _drop_unused_segmentation(self) -> None:
        """Remove the one that was made for a volume, when nothing was drawn into it before another was opened."""
        node = self.segmentation_node
        if node is None or node.GetScene() is None or self.has_unsaved_work or not node.GetAttribute(_MADE_HERE):
            return
        self.opening.close()
        node.GetScene().RemoveNode(node)

    def _require_volume(self) -> None:
        if self.volume_node is None:
            raise PromptError("There is no volume yet. Open one first.")


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
