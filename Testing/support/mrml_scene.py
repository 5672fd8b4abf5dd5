"""A real MRML scene without the Slicer application: what that does at start, minus Qt (needs slicer-core)."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import slicer
import vtk

_LOGICS = {
    "Volumes": "vtkSlicerVolumesLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
}


class SceneWorld:
    """A scene, and what people bring into it."""

    scene: Any

    def publish(self, logics: dict[str, Any]) -> None:
        """Let Slicer's own utilities find the scene and its logics, by module name, under `slicer`."""
        slicer.mrmlScene = self.scene
        slicer.modules = types.SimpleNamespace(
            **{name: types.SimpleNamespace(logic=lambda found=found: found) for name, found in logics.items()}
        )

    def transform(self, matrix: np.ndarray, name: str = "Registration") -> Any:
        """A linear transform node."""
        node = self.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
        node.SetMatrixTransformToParent(vtk_matrix(matrix))
        return node

    def read_volume(self, path: Any, name: str) -> Any:
        """A volume read by Slicer's own storage node."""
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(path))
        node = self.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        assert storage.ReadData(node) == 1
        return node

    def slice_view(self, orientation: str) -> Any:
        """The node of a slice view, which is not shown anywhere; orientation: "Axial", "Coronal" or "Sagittal"."""
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        node = self.scene.AddNewNodeByClass("vtkMRMLSliceNode")
        node.SetOrientation(orientation)
        return node


class MrmlWorld(SceneWorld):
    """A scene with the logics that its nodes rely on."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        colors = self.application.GetColorLogic()
        colors.SetMRMLScene(self.scene)
        colors.AddDefaultColorNodes()
        # The volumes logic looks for its colours under this name. The logics live as long as something refers to them.
        self.application.SetModuleLogic("Colors", colors)
        self.logics = {name: self._start(name, class_name) for name, class_name in _LOGICS.items()}
        self.publish({name.lower(): logic for name, logic in self.logics.items()})

    def _start(self, name: str, class_name: str) -> Any:
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        self.application.SetModuleLogic(name, logic)
        return logic


def vtk_matrix(array: np.ndarray) -> Any:
    """vtkMatrix4x4 of (4, 4)."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, np.float64).ravel().tolist())
    return matrix
