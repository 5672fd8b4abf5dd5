"""The three kinds of markups that prompts are placed with: names in the scene, classes, colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ROLES = ("positive", "negative", "box")
_ATTRIBUTE = "DFQSAMSlicer.role"


@dataclass(frozen=True)
class Role:
    """name: in the scene. class_name: of its markups node. color: red, green and blue, 0..1."""

    name: str
    class_name: str
    color: tuple[float, float, float]


_BY_NAME = {
    "positive": Role("SAM points +", "vtkMRMLMarkupsFiducialNode", (0.1, 0.85, 0.2)),
    "negative": Role("SAM points -", "vtkMRMLMarkupsFiducialNode", (0.9, 0.1, 0.1)),
    "box": Role("SAM box", "vtkMRMLMarkupsLineNode", (0.2, 0.5, 1.0)),
}


def role_of(node: Any) -> str | None:
    """What a markups node is for: "positive", "negative", "box", or None where it is not ours."""
    return None if node is None else node.GetAttribute(_ATTRIBUTE)


def role_color(role: str) -> tuple[float, float, float]:
    """Red, green and blue 0..1 of the markups of a role."""
    return _BY_NAME[role].color


def node_of_role(scene: Any, role: str) -> Any:
    """The markups node of a role, which is added where the scene has none; a saved scene brings its own."""
    kind = _BY_NAME[role]
    for n in range(scene.GetNumberOfNodesByClass(kind.class_name)):
        node = scene.GetNthNodeByClass(n, kind.class_name)
        if role_of(node) == role:
            return node
    node = scene.AddNewNodeByClass(kind.class_name, kind.name)
    node.SetAttribute(_ATTRIBUTE, role)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(*kind.color)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    return node
