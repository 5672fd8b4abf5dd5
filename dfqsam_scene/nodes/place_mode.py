"""Slicer's mouse mode for placing markups: begun, ended and watched through the scene, so in every slice view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfqsam_core.errors import PromptError

# The numbers in the core's sentence are for files.
OUTSIDE = "This place is outside the volume. Click inside its picture."


def view_under_mouse(scene: Any) -> Any:
    """The vtkMRMLSliceNode of the view that the mouse is in; None elsewhere, for instance in a 3D view."""
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    return None if crosshair is None else crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0])


def clicked_view(node: Any) -> Any:
    """The vtkMRMLSliceNode that a point of a markups node is placed in; None for a script's own point.

    Raises PromptError where the mouse places it beside all slice views, which is in a 3D view.
    """
    scene = node.GetScene()
    view = view_under_mouse(scene)
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    if view is not None or None in (interaction, scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")):
        return view
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    is_placing = interaction.GetCurrentInteractionMode() == interaction.Place
    if is_placing and selection.GetActivePlaceNodeID() == node.GetID():
        raise PromptError("Prompts are placed in slice views: a 3D view shows no slice. Click in a slice view.")
    return None


class PlaceMode:
    """Lets the mouse place control points of a node, one click after the other, until `end`.

    changed: called when place mode begins, ends (Escape, right click, another tool) or goes to another node.
    """

    def __init__(self, scene: Any, changed: Callable[[], None]) -> None:
        self._interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        self._selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        self._tags: list[tuple[Any, int]] = []
        if self._interaction is not None and self._selection is not None:
            pairs = (
                (self._interaction, self._interaction.InteractionModeChangedEvent),
                (self._selection, "ModifiedEvent"),
            )
            self._tags = [(node, node.AddObserver(event, lambda *_: changed())) for node, event in pairs]

    @property
    def node(self) -> Any:
        """The markups node that a click would be placed in now, None when the mouse does other things."""
        if not self._tags or self._interaction.GetCurrentInteractionMode() != self._interaction.Place:
            return None
        return self._selection.GetScene().GetNodeByID(self._selection.GetActivePlaceNodeID() or "")

    def begin(self, node: Any) -> None:
        """Place control points of a markups node from now on."""
        if self._tags:
            self._selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
            self._selection.SetActivePlaceNodeID(node.GetID())
            self._interaction.SetPlaceModePersistence(1)
            self._interaction.SetCurrentInteractionMode(self._interaction.Place)

    def end(self) -> None:
        """Give the mouse back to the views."""
        if self._tags and self._interaction.GetCurrentInteractionMode() == self._interaction.Place:
            self._interaction.SetCurrentInteractionMode(self._interaction.ViewTransform)

    def close(self) -> None:
        """Stop listening."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []
