"""Which volume the slice views show: a person prompts on what is on the screen, and on nothing else."""

from __future__ import annotations

from typing import Any

import slicer

from .slice_views import slice_nodes


def show_volume(volume_node: Any) -> None:
    """Show a vtkMRMLScalarVolumeNode in all slice views and make it Slicer's active volume, as loading it by hand does.

    A view that shows the volume already stays as it is, with its zoom; in the others it becomes the background and
    fills the view. Neither orientation nor the volume's own display change.
    """
    scene, volume_id = volume_node.GetScene(), volume_node.GetID()
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    if selection is not None:
        selection.SetActiveVolumeID(volume_id)
    logics = {logic.GetSliceCompositeNode(): logic for logic in _slice_logics()}
    for composite in _composite_nodes(scene):
        if not _shows(composite, volume_id):
            composite.SetBackgroundVolumeID(volume_id)
            # An opaque foreground would lie over it.
            if composite.GetForegroundOpacity() >= 1:
                composite.SetForegroundVolumeID(None)
            if composite in logics:
                logics[composite].FitSliceToBackground()


def show_where_hidden(volume_node: Any) -> None:
    """Show a volume in all slice views where none of them shows it: nobody can prompt on what is not to be seen."""
    if not any(is_shown(volume_node, node) for node in slice_nodes(volume_node.GetScene())):
        show_volume(volume_node)


def is_shown(volume_node: Any, slice_node: Any) -> bool:
    """Whether the view of a vtkMRMLSliceNode shows this volume, as its background or as a foreground.

    A background under an opaque foreground is not shown. False without a volume, and for a view of another scene.
    """
    if volume_node is None or volume_node.GetScene() is None or volume_node.GetScene() is not slice_node.GetScene():
        return False
    composite = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(slice_node)
    return composite is not None and _shows(composite, volume_node.GetID())


def _shows(composite: Any, volume_id: str) -> bool:
    opacity = composite.GetForegroundOpacity() if composite.GetForegroundVolumeID() else 0.0
    in_front = composite.GetForegroundVolumeID() == volume_id and opacity > 0
    return in_front or (composite.GetBackgroundVolumeID() == volume_id and opacity < 1)


def _composite_nodes(scene: Any) -> list[Any]:
    """What each slice view is composed of: background, foreground, labels."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    return [scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode") for n in range(count)]


def _slice_logics() -> list[Any]:
    """The logic of each slice view that is open."""
    application = slicer.modules.volumes.logic().GetMRMLApplicationLogic()
    logics = None if application is None else application.GetSliceLogics()
    return [] if logics is None else [logics.GetItemAsObject(n) for n in range(logics.GetNumberOfItems())]
