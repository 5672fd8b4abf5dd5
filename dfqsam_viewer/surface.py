"""A surface of the segments in the 3D view, made when asked for; it shows the segments as they were then."""

from __future__ import annotations

from typing import Any

import vtk

_NAME = "DFQSAMSlicer surface"


def closed_surfaces(segmentation_node: Any) -> list[tuple[Any, Any]]:
    """vtkSegment and vtkPolyData (RAS, mm) of each segment that is not empty."""
    segmentation, found = segmentation_node.GetSegmentation(), []
    segmentation_node.CreateClosedSurfaceRepresentation()
    for segment_id in segmentation.GetSegmentIDs():
        mesh = vtk.vtkPolyData()
        segmentation_node.GetClosedSurfaceRepresentation(segment_id, mesh)
        if mesh.GetNumberOfPoints():
            found.append((segmentation.GetSegment(segment_id), mesh))
    segmentation_node.RemoveClosedSurfaceRepresentation()
    return found


class Surface:
    """Models beside the segmentation.

    The segmentation's own surfaces are removed again at once: kept, they would be computed anew with every click,
    which takes most of a second on a large volume.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._models: list[Any] = []

    @property
    def is_shown(self) -> bool:
        """True where there is a surface."""
        return any(model.GetScene() is not None for model in self._models)

    def show(self, segmentation_node: Any) -> None:
        """Show the segments as they are now."""
        self.hide()
        for segment, mesh in closed_surfaces(segmentation_node):
            self._models.append(self._add(mesh, segment, segmentation_node))

    def hide(self) -> None:
        """Take the surface away."""
        for model in self._models:
            if model.GetScene() is not None:
                self._scene.RemoveNode(model)
        self._models = []

    def _add(self, mesh: Any, segment: Any, segmentation_node: Any) -> Any:
        model = self._scene.CreateNodeByClass("vtkMRMLModelNode")
        model.UnRegister(None)
        model.SetName(_NAME)
        model.SetHideFromEditors(True)
        model.SetSaveWithScene(False)
        self._scene.AddNode(model)
        model.SetAndObservePolyData(mesh)
        model.SetAndObserveTransformNodeID(segmentation_node.GetTransformNodeID())
        model.CreateDefaultDisplayNodes()
        display = model.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetColor(segment.GetColor())
        display.SetScalarVisibility(False)
        display.SetVisibility2D(False)
        return model
