"""Rulers: lines of Slicer's own with their length in mm, which are no prompts and stay in a saved scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from dfqsam_core.errors import PromptError

from .outlines import placing_goes_on
from .volume_node import world_of_point

_ATTRIBUTE = "DFQSAMSlicer.ruler"
_CLASS = "vtkMRMLMarkupsLineNode"
_SMALL = 1.5
_COLOR = (1.0, 0.85, 0.1)


@dataclass(frozen=True)
class RulerRow:
    """One ruler. id: of its node. length_mm: between its ends in the world."""

    id: str
    length_mm: float


def add_ruler(volume_node: Any, first_world: np.ndarray, last_world: np.ndarray) -> Any:
    """Measure from one place to another, (3,) world mm each; returns the vtkMRMLMarkupsLineNode.

    It moves with the volume where a transform moves that, and its ends can be dragged.
    """
    scene = volume_node.GetScene()
    node = scene.CreateNodeByClass(_CLASS)
    node.UnRegister(None)
    node.SetName(scene.GenerateUniqueName("Ruler"))
    node.SetAttribute(_ATTRIBUTE, "1")
    with placing_goes_on(scene):
        scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    for color in (display.SetColor, display.SetSelectedColor, display.SetActiveColor):
        color(*_COLOR)
    display.SetGlyphScale(_SMALL)
    display.SetPointLabelsVisibility(False)
    display.SetPropertiesLabelVisibility(True)
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    for position in (first_world, last_world):
        node.AddControlPointWorld(position.tolist())
    return node


def rulers(scene: Any) -> tuple[RulerRow, ...]:
    """All rulers of a scene in the order they were drawn."""
    return tuple(RulerRow(node.GetID(), node.GetLineLengthWorld()) for node in _nodes(scene))


def remove_ruler(scene: Any, ruler_id: str) -> None:
    """Take a ruler away; raises PromptError where it is gone already."""
    scene.RemoveNode(_ruler(scene, ruler_id))


def middle_of_ruler(scene: Any, ruler_id: str) -> np.ndarray:
    """(3,) world mm; raises PromptError where it is gone already, or a scene's file brought it without ends."""
    node = _ruler(scene, ruler_id)
    if not node.GetNumberOfDefinedControlPoints():
        raise PromptError("This ruler has no ends, so there is nowhere to go. Remove it.")
    return np.mean([world_of_point(node, n) for n in range(node.GetNumberOfControlPoints())], axis=0)


class RulerChanges:
    """Hears when somebody drags an end of a ruler."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._tags: dict[Any, int] = {}

    def watch(self, scene: Any) -> None:
        """Listen to the rulers that a scene has now, and to no others."""
        nodes = _nodes(scene)
        for node in [known for known in self._tags if known not in nodes]:
            node.RemoveObserver(self._tags.pop(node))
        for node in nodes:
            if node not in self._tags:
                event = slicer.vtkMRMLMarkupsNode.PointModifiedEvent
                self._tags[node] = node.AddObserver(event, lambda *_: self._changed())


def _ruler(scene: Any, ruler_id: str) -> Any:
    for node in _nodes(scene):
        if node.GetID() == ruler_id:
            return node
    raise PromptError("This ruler is gone already.")


def _nodes(scene: Any) -> list[Any]:
    count = scene.GetNumberOfNodesByClass(_CLASS)
    nodes = [scene.GetNthNodeByClass(n, _CLASS) for n in range(count)]
    return [node for node in nodes if node.GetAttribute(_ATTRIBUTE)]
