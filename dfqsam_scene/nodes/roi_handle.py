"""Slicer's own ROI around the boxes that a 3D box gave last, with handles to change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk

from dfqsam_core.volume import BoxPrompt, VolumeGeometry, roi_boxes
from dfqsam_core.volume.geometry import axis_index

from .outlines import placing_goes_on
from .roles import role_color
from .slice_views import slice_nodes
from .volume_node import ijk_to_ras

_NAME = "SAM 3D box handles"


class RoiHandle:
    """At most one vtkMRMLMarkupsROINode along the axes of a volume; neither listed nor saved, shown in slice views.

    moved: called when a person has let go of one of its handles. given: every box that it gave since it was placed.
    """

    def __init__(self, volume_node: Any, geometry: VolumeGeometry, moved: Callable[[], None]) -> None:
        self._volume_node, self._geometry, self._moved = volume_node, geometry, moved
        self._node: Any = None
        self._tag = 0
        self._axis = geometry.acquisition_axis
        self.given: set[BoxPrompt] = set()
        self._last: tuple[BoxPrompt, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether it is there; the scene may take it away at any time."""
        return self._node is not None and self._node.GetScene() is not None

    @property
    def last(self) -> tuple[BoxPrompt, ...]:
        """The boxes that it gave last."""
        return self._last if self.is_shown else ()

    def place(self, box: BoxPrompt) -> tuple[BoxPrompt, ...]:
        """Begin with a box on its slice, as deep as its shorter side is long; returns the boxes that it covers."""
        self.remove()
        self._axis = box.axis
        spacing, normal = np.array(self._geometry.spacing_mm), axis_index(box.axis)
        low, high = np.array(box.low_ijk), np.array(box.high_ijk)
        size_mm = (high - low + 1) * spacing
        size_mm[normal] = np.delete(size_mm, normal).min()
        ras = ijk_to_ras(self._volume_node)
        matrix = np.eye(4)
        matrix[:3, :3] = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
        if np.linalg.det(matrix) < 0:
            # A box is the same mirrored; what turns it in Slicer takes rotations only.
            matrix[:3, 2] *= -1
        matrix[:3, 3] = ras[:3, :3] @ ((low + high) / 2) + ras[:3, 3]
        self._show(matrix, size_mm)
        return self.boxes()

    def boxes(self) -> tuple[BoxPrompt, ...]:
        """The boxes that it covers now, one a slice; raises PromptError where it covers no voxel."""
        matrix = np.reshape(self._node.GetObjectToNodeMatrix().GetData(), (4, 4))
        half_axes = matrix[:3, :3] * (np.array(self._node.GetSize()) / 2)
        self._last = roi_boxes(self._geometry, matrix[:3, 3], half_axes, "RAS", self._axis)
        self.given.update(self._last)
        return self._last

    def remove(self) -> None:
        """Take it out of the scene; its boxes stay what they are."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
            if self._node.GetScene() is not None:
                self._node.GetScene().RemoveNode(self._node)
        self._node, self._last, self.given = None, (), set()

    def _show(self, matrix: np.ndarray, size_mm: np.ndarray) -> None:
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
        to_node = vtk.vtkMatrix4x4()
        to_node.DeepCopy(matrix.ravel().tolist())
        node.SetAndObserveObjectToNodeMatrix(to_node)
        node.SetSize(*size_mm.tolist())
        event = slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent
        self._tag = node.AddObserver(event, lambda *_: self._moved())
