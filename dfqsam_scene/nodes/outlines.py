"""Draws the boxes that were given as prompts: closed curves on their slices, which are neither listed nor saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dfqsam_core.volume import BoxPrompt
from dfqsam_core.volume.geometry import axis_index

from .roles import role_color
from .volume_node import world_from_ijk

_NAME = "SAM box outline"
_THIN_LINE_MM = 0.5


class BoxOutlines:
    """One locked curve for each box on one volume; the scene may take them away at any time.

    nodes: what is drawn.
    """

    def __init__(self, volume_node: Any) -> None:
        self._volume_node = volume_node
        self.nodes: dict[BoxPrompt, Any] = {}

    def show(self, boxes: Iterable[BoxPrompt]) -> None:
        """Draw these boxes and no others."""
        wanted = dict.fromkeys(boxes)
        for box in [box for box, node in self.nodes.items() if box not in wanted or node.GetScene() is None]:
            node = self.nodes.pop(box)
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
        for box in wanted:
            if box not in self.nodes:
                self.nodes[box] = self._draw(box)

    def _draw(self, box: BoxPrompt) -> Any:
        node = _outline_node(self._volume_node)
        for corner in world_from_ijk(self._volume_node, corners_ijk(box)).tolist():
            node.AddControlPointWorld(corner)
        return node


class RubberBand:
    """The outline of the box that is being drawn: one curve, whose corners move with the mouse."""

    def __init__(self, volume_node: Any) -> None:
        self._volume_node = volume_node
        self._node: Any = None

    def show(self, box: BoxPrompt | None) -> None:
        """Draw this box, None for none."""
        if self._node is not None and self._node.GetScene() is None:
            self._node = None
        if box is None:
            if self._node is not None:
                self._node.RemoveAllControlPoints()
            return
        self._node = self._node or _outline_node(self._volume_node)
        was_modifying = self._node.StartModify()
        for n, corner in enumerate(world_from_ijk(self._volume_node, corners_ijk(box)).tolist()):
            if n < self._node.GetNumberOfControlPoints():
                self._node.SetNthControlPointPositionWorld(n, corner)
            else:
                self._node.AddControlPointWorld(corner)
        self._node.EndModify(was_modifying)

    def remove(self) -> None:
        """Take the curve out of the scene."""
        if self._node is not None and self._node.GetScene() is not None:
            self._node.GetScene().RemoveNode(self._node)
        self._node = None


def _outline_node(volume_node: Any) -> Any:
    """A curve without points in the scene of a volume."""
    scene = volume_node.GetScene()
    node = scene.CreateNodeByClass("vtkMRMLMarkupsClosedCurveNode")
    node.UnRegister(None)
    node.SetName(_NAME)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetLocked(True)
    with _placing_goes_on(scene):
        scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    _style(node.GetDisplayNode())
    # A registration then moves the outline with the volume.
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetCurveTypeToLinear()
    return node


def _style(display: Any) -> None:
    display.SetSaveWithScene(False)
    display.SetSelectedColor(*role_color("box"))
    display.SetColor(*role_color("box"))
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetCurveLineSizeMode(display.UseLineDiameter)
    display.SetLineDiameter(_THIN_LINE_MM)
    # A control point of no size: only the line is of interest.
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(_THIN_LINE_MM)


@contextlib.contextmanager
def _placing_goes_on(scene: Any) -> Iterator[None]:
    """Let the mouse place what it placed before: Slicer would hand it to each markups node that is added."""
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    if selection is None:
        yield
        return
    before = selection.GetActivePlaceNodeClassName(), selection.GetActivePlaceNodeID()
    was_modifying = selection.StartModify()
    yield
    selection.SetReferenceActivePlaceNodeClassName(before[0])
    selection.SetActivePlaceNodeID(before[1])
    selection.EndModify(was_modifying)


def corners_ijk(box: BoxPrompt) -> np.ndarray:
    """(4, 3): the corners of a box in voxel positions, in a ring, around the outer voxels' edges."""
    normal = axis_index(box.axis)
    first, second = (axis for axis in range(3) if axis != normal)
    low, high = np.array(box.low_ijk, np.float64) - 0.5, np.array(box.high_ijk, np.float64) + 0.5
    corners = np.empty((4, 3))
    corners[:, normal] = box.low_ijk[normal]
    corners[:, first] = low[first], high[first], high[first], low[first]
    corners[:, second] = low[second], low[second], high[second], high[second]
    return corners
