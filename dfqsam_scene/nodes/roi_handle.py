"""Slicer's own ROI around the boxes that a 3D box gave last, with handles to change it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import slicer
import vtk

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, VolumeGeometry, roi_boxes
from dfqsam_core.volume.geometry import axis_index
from dfqsam_core.volume.prompts import Prompt

from .outlines import placing_goes_on
from .roi_pose import RoiPose, highest_stack, pose_around
from .roles import role_color
from .slice_views import slice_nodes

_NAME = "SAM 3D box handles"
# Undo goes further back; nobody follows the handles that far.
_MAX_KNOWN = 100


class RoiHandle:
    """At most one vtkMRMLMarkupsROINode along the axes of a volume; neither listed nor saved, shown in slice views.

    moved: called when a person has let go of one of its handles. pose: where it stands, or stood when the scene took
    it away; None for nowhere.
    """

    def __init__(self, volume_node: Any, geometry: VolumeGeometry, moved: Callable[[], None]) -> None:
        self.pose: RoiPose | None = None
        self._volume_node, self._geometry, self._moved = volume_node, geometry, moved
        self._node: Any = None
        self._tag = 0
        # So that undo and redo bring it back with its boxes.
        self._known: deque[RoiPose] = deque(maxlen=_MAX_KNOWN)
        self._is_new = True

    def place(self, box: BoxPrompt, segment_id: str) -> tuple[BoxPrompt, ...]:
        """Begin with a box on its slice, as deep as its shorter side is long; returns the boxes that it covers."""
        sides_mm = (np.array(box.high_ijk) - box.low_ijk + 1) * self._geometry.spacing_mm
        depth_mm = float(np.delete(sides_mm, axis_index(box.axis)).min())
        self._stand(pose_around(self._volume_node, self._geometry, (box,), segment_id, depth_mm))
        return self.boxes()

    def boxes(self) -> tuple[BoxPrompt, ...]:
        """The boxes that it covers now, one a slice; where it is too small for any it goes back: raises PromptError."""
        assert self.pose is not None
        to_node = np.reshape(self._node.GetObjectToNodeMatrix().GetData(), (4, 4))
        size_mm = np.array(self._node.GetSize())
        pose = RoiPose(to_node, size_mm, self.pose.axis, self.pose.segment_id, given=self.pose.given)
        half_axes = to_node[:3, :3] * (size_mm / 2)
        try:
            found = roi_boxes(self._geometry, to_node[:3, 3], half_axes, "RAS", pose.axis)
            max(found, key=_smaller_side).refuse_small()
        except PromptError:
            self._put(self.pose)
            raise
        self.pose = pose.giving(found)
        self._known.append(self.pose)
        return self.pose.boxes

    def follow(self, prompts: Collection[tuple[str, Prompt]]) -> None:
        """Stand where all boxes that it gave are among these (segment ID, prompt), the last such place; else nowhere.

        A scene that was saved, and a workspace before this one, left boxes only: it stands around the most of them.
        """
        if self._is_new and prompts:
            self._is_new = False
            self._remember_stack(prompts)
        if self.pose is None and not self._known:
            return
        present = set(prompts)
        found = [pose for pose in self._known if pose.is_among(present)]
        if not found:
            self.remove()
            return
        # Of the box drawn last; one that was made larger holds what it gave before.
        latest = [pose for pose in found if pose.given is found[-1].given]
        pose = max(reversed(latest), key=lambda pose: len(pose.boxes))
        if pose is not self.pose:
            self._stand(pose)

    def remove(self) -> None:
        """Take it out of the scene; its boxes stay what they are."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
            if self._node.GetScene() is not None:
                self._node.GetScene().RemoveNode(self._node)
        self._node = self.pose = None

    def _remember_stack(self, prompts: Collection[tuple[str, Prompt]]) -> None:
        stack = highest_stack(prompts)
        if stack is not None and self.pose is None:
            segment_id, boxes = stack
            self._known.append(pose_around(self._volume_node, self._geometry, boxes, segment_id).giving(boxes))

    def _stand(self, pose: RoiPose) -> None:
        self.remove()
        scene = self._volume_node.GetScene()
        node = self._node = scene.CreateNodeByClass("vtkMRMLMarkupsROINode")
        node.UnRegister(None)
        node.SetName(_NAME)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        with placing_goes_on(scene):
            scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetSelectedColor(*role_color("roi"))
        display.SetPropertiesLabelVisibility(False)
        display.SetPointLabelsVisibility(False)
        display.SetFillVisibility(False)
        # Turned against the slices it would cut them in more than a box says.
        display.SetRotationHandleVisibility(False)
        display.SetViewNodeIDs([view.GetID() for view in slice_nodes(scene)])
        # A registration then moves it with the volume.
        node.SetAndObserveTransformNodeID(self._volume_node.GetTransformNodeID())
        self._put(pose)
        event = slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent
        self._tag = node.AddObserver(event, lambda *_: self._moved())
        self.pose = pose

    def _put(self, pose: RoiPose) -> None:
        to_node = vtk.vtkMatrix4x4()
        to_node.DeepCopy(pose.to_node.ravel().tolist())
        self._node.SetAndObserveObjectToNodeMatrix(to_node)
        self._node.SetSize(*pose.size_mm.tolist())


def _smaller_side(box: BoxPrompt) -> int:
    return min(np.delete(np.array(box.high_ijk) - box.low_ijk + 1, axis_index(box.axis)).tolist())
