"""The tools that the mouse has in slice views: their markups nodes in the scene, and their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dfqsam_core.network.conventions import PromptKind

ROLES = ("positive", "negative", "scribble", "scribble_out", "lasso", "lasso_out", "box", "roi")
POINTS = ("positive", "negative")
STROKES = ("scribble", "scribble_out", "lasso", "lasso_out")
# What a network must have learnt for each: strokes are points and a mask.
NEEDS: dict[str, frozenset[PromptKind]] = {
    **dict.fromkeys(("positive", "negative"), frozenset({"point"})),
    **dict.fromkeys(STROKES, frozenset({"point", "mask"})),
    **dict.fromkeys(("box", "roi"), frozenset({"box"})),
}
# No prompts: what Slicer has in other modules, and the browser viewer beside its prompts.
BRUSHES = ("brush", "eraser")
OTHER_ROLES = (*BRUSHES, "ruler", "crosshair")
_TINY_MM = 0.5
_ATTRIBUTE = "DFQSAMSlicer.role"
_GREEN, _RED, _BLUE, _YELLOW = (0.1, 0.85, 0.2), (0.9, 0.1, 0.1), (0.2, 0.5, 1.0), (1.0, 0.85, 0.1)
_FIDUCIALS, _LINE = "vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsLineNode"


@dataclass(frozen=True)
class Role:
    """name, class_name: of its markups node in the scene. color: red, green and blue, 0..1.

    holds_prompts: whether control points of the node are prompts; else it only guides the mouse while one is drawn,
    and is neither listed nor saved.
    """

    name: str
    class_name: str
    color: tuple[float, float, float]
    holds_prompts: bool = False


_BY_NAME = {
    "positive": Role("SAM points +", _FIDUCIALS, _GREEN, holds_prompts=True),
    "negative": Role("SAM points -", _FIDUCIALS, _RED, holds_prompts=True),
    "box": Role("SAM box", _LINE, _BLUE, holds_prompts=True),
    "scribble": Role("SAM scribble +", _FIDUCIALS, _GREEN),
    "scribble_out": Role("SAM scribble -", _FIDUCIALS, _RED),
    "roi": Role("SAM 3D box", _LINE, _BLUE),
    "lasso": Role("SAM lasso +", _FIDUCIALS, _GREEN),
    "lasso_out": Role("SAM lasso -", _FIDUCIALS, _RED),
    "brush": Role("SAM brush", _FIDUCIALS, _GREEN),
    "eraser": Role("SAM eraser", _FIDUCIALS, _RED),
    "ruler": Role("SAM ruler", _LINE, _YELLOW),
    "crosshair": Role("SAM crosshair", _FIDUCIALS, _YELLOW),
}


def role_of(node: Any) -> str | None:
    """Return what a markups node is for, one of ROLES or OTHER_ROLES, or None where it is not ours."""
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
            _color(node, kind)
            return node
    node = scene.CreateNodeByClass(kind.class_name)
    node.UnRegister(None)
    node.SetName(kind.name)
    node.SetAttribute(_ATTRIBUTE, role)
    # Slicer's Data tree looks at a node when it is added.
    node.SetHideFromEditors(not kind.holds_prompts)
    node.SetSaveWithScene(kind.holds_prompts)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(kind.holds_prompts)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    if role in BRUSHES:
        # A ring shows where they are; a point would hide what is under it.
        display.SetUseGlyphScale(False)
        display.SetGlyphSize(_TINY_MM)
    _color(node, kind)
    return node


def _color(node: Any, kind: Role) -> None:
    """Slicer shows in a colour of its own, green, what is under the mouse; a scene of earlier days has that, too."""
    if node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetSelectedColor(*kind.color)
        node.GetDisplayNode().SetActiveColor(*kind.color)
