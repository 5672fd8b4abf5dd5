"""Slicer's layout manager on nodes of the scene, with the interactors that hear the mouse, without any window."""

from __future__ import annotations

import types
from typing import Any

import vtk


class LayoutManager:
    """What Slicer's `qSlicerLayoutManager` says of slice views; interactors: by the names of the views."""

    def __init__(self, slice_nodes: dict[str, Any]) -> None:
        self._nodes = slice_nodes
        self.interactors = {name: vtk.vtkGenericRenderWindowInteractor() for name in slice_nodes}

    def sliceViewNames(self) -> tuple[str, ...]:
        """Names of the slice views that are shown."""
        return tuple(self._nodes)

    def sliceWidget(self, name: str) -> Any:
        """The widget of one of them."""
        view = types.SimpleNamespace(interactor=lambda: self.interactors[name])
        return types.SimpleNamespace(mrmlSliceNode=lambda: self._nodes[name], sliceView=lambda: view)

    def press(self, name: str, place_world: Any) -> None:
        """Press the left button where a view shows a place of the world."""
        self._move(name, place_world)
        self.interactors[name].InvokeEvent("LeftButtonPressEvent")

    def move(self, name: str, place_world: Any) -> None:
        """Move the mouse there."""
        self._move(name, place_world)
        self.interactors[name].InvokeEvent("MouseMoveEvent")

    def release(self, name: str, place_world: Any) -> None:
        """Release it there; what is placed then, the views' own widgets would do."""
        self._move(name, place_world)
        self.interactors[name].InvokeEvent("LeftButtonReleaseEvent")

    def _move(self, name: str, place_world: Any) -> None:
        to_ras = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._nodes[name].GetXYToRAS(), to_ras)
        x, y = to_ras.MultiplyPoint((*place_world, 1.0))[:2]
        self.interactors[name].SetEventInformation(round(x), round(y))
