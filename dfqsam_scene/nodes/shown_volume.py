"""Which volume the slice views show: a person prompts on what is on the screen, and on nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import slicer

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import SliceKey

from .slice_views import show_slice, shown_slice, slice_nodes


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


def show_one_of(volume_node: Any, keys: Collection[SliceKey]) -> None:
    """Move the views along an axis to the first of these slices, unless one of them is on the screen already.

    Views of other volumes count as none; a volume that no view shows is a script's, which looks at nothing.
    """
    views = [node for node in slice_nodes(volume_node.GetScene()) if is_shown(volume_node, node)]
    if keys and views and not any(shown_slice(volume_node, node) in keys for node in views):
        show_slice(volume_node, next(iter(keys)))


def refuse_where_hidden(volume_node: Any, slice_node: Any) -> None:
    """Raise PromptError where a slice view shows other things than this volume; None for no view is never refused."""
    # A view without a composite node is a script's own: it shows nothing at all, so no other patient either.
    if slice_node is None or slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(slice_node) is None:
        return
    if not is_shown(volume_node, slice_node):
        raise PromptError(
            f"This view does not show {volume_node.GetName()}, the chosen volume. Click in a view that shows it, or "
            "choose the volume that you see."
        )


def is_shown(volume_node: Any, slice_node: Any) -> bool:
    """Return whether the view of a vtkMRMLSliceNode shows this volume, as its background or as a foreground.

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
