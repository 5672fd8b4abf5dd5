"""Slicer's Data tree, as far as it decides which nodes a person sees there."""

from __future__ import annotations

from typing import Any

import vtk


class DataTree:
    """Takes a node in when it comes into the scene, unless it is hidden by then; hiding it later changes nothing."""

    def __init__(self, scene: Any) -> None:
        self._ids: list[str] = []
        self._scene = scene

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(caller: Any, event: str, node: Any) -> None:
            if not node.GetHideFromEditors():
                self._ids.append(node.GetID())

        self._tag = scene.AddObserver(scene.NodeAddedEvent, added)

    @property
    def hidden_ones(self) -> list[str]:
        """Names of nodes that are hidden from all other lists and yet stand in the tree."""
        nodes = [self._scene.GetNodeByID(found) for found in self._ids]
        return [node.GetName() for node in nodes if node is not None and node.GetHideFromEditors()]

    def close(self) -> None:
        """Stop listening."""
        self._scene.RemoveObserver(self._tag)
