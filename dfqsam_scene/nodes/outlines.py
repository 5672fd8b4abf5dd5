"""Draws boxes, scribbles and lassos: curves on their slices, which are neither listed nor saved."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dfqsam_core.volume import BoxPrompt, PointPrompt, ScribblePrompt
from dfqsam_core.volume.geometry import axis_index
from dfqsam_core.volume.prompts import Prompt

from .roles import STROKES, role_color
from .volume_node import world_from_ijk

_NAME = "SAM outline"
_CLOSED, _OPEN = "vtkMRMLMarkupsClosedCurveNode", "vtkMRMLMarkupsCurveNode"
_THIN_LINE_MM = 0.5
# A pen is thicker than a ruler, and mostly lies under a mask.
_STROKE_LINE_MM = 1.5
# After this time the main thread is let go; the curve in work may take as long again.
_HOLD_SECONDS = 0.01
Later = Callable[[Callable[[], None]], object]


class PromptOutlines:
    """One locked curve for each prompt on one volume, without points; the scene may take them away at any time.

    nodes: what is drawn. later: calls a function when the main thread has done other things: many curves are drawn and
    taken away with pauses; without it all at once.
    """

    def __init__(self, volume_node: Any, later: Later | None = None) -> None:
        self._volume_node, self._later = volume_node, later
        self.nodes: dict[Prompt, Any] = {}
        self._wanted: dict[Prompt, None] = {}
        self._is_waiting = False

    def show(self, prompts: Iterable[Prompt]) -> None:
        """Draw these prompts and no others; points are drawn as markups of their own."""
        self._wanted = dict.fromkeys(prompt for prompt in prompts if not isinstance(prompt, PointPrompt))
        if not self._is_waiting:
            self._go_on()

    def close(self) -> None:
        """Take all away at once."""
        self._later = None
        self._wanted = {}
        self._go_on()

    def _go_on(self) -> None:
        self._is_waiting = False
        if self._volume_node.GetScene() is None:
            self._wanted = {}
        ends = time.perf_counter() + _HOLD_SECONDS
        for _ in self._steps():
            if self._later is not None and time.perf_counter() > ends:
                self._is_waiting = True
                self._later(self._go_on)
                return

    def _steps(self) -> Iterator[None]:
        """Take one away or draw one with each step."""
        for gone in [p for p, node in self.nodes.items() if p not in self._wanted or node.GetScene() is None]:
            node = self.nodes.pop(gone)
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
            yield
        for prompt in self._wanted:
            if prompt not in self.nodes:
                is_closed = not isinstance(prompt, ScribblePrompt)
                node = self.nodes[prompt] = _outline_node(self._volume_node, _role(prompt), is_closed)
                _draw(node, self._volume_node, _line_ijk(prompt))
                yield


class RubberBand:
    """The outline of what is being drawn for a role: one curve, whose points move with the mouse."""

    def __init__(self, volume_node: Any, role: str, is_closed: bool) -> None:
        self._volume_node, self._role, self._is_closed = volume_node, role, is_closed
        self._node: Any = None
        self._points = np.empty((0, 3))

    def show(
        self, points_ijk: np.ndarray | None, view: Any = None, line_mm: float | None = None, opacity: float = 1.0
    ) -> None:
        """Draw a line through these voxel positions (N, 3), None for none.

        view: vtkMRMLSliceNode that alone shows it, None for all views. line_mm: its width, None for the role's.
        """
        if self._node is not None and self._node.GetScene() is None:
            self._node = None
        if points_ijk is None:
            if len(self._points) and self._node is not None:
                self._node.RemoveAllControlPoints()
            self._points = np.empty((0, 3))
            return
        self._node = self._node or _outline_node(self._volume_node, self._role, self._is_closed)
        display = self._node.GetDisplayNode()
        if view is not None and list(display.GetViewNodeIDs()) != [view.GetID()]:
            display.SetViewNodeIDs([view.GetID()])
        if line_mm is not None:
            display.SetLineDiameter(line_mm)
        display.SetOpacity(opacity)
        # A stroke only grows: the points before are there already.
        known = len(self._points)
        is_longer = np.array_equal(points_ijk[:known], self._points)
        _draw(self._node, self._volume_node, points_ijk, known if is_longer else 0)
        self._points = points_ijk

    def remove(self) -> None:
        """Take the curve out of the scene."""
        if self._node is not None and self._node.GetScene() is not None:
            self._node.GetScene().RemoveNode(self._node)
        self._node, self._points = None, np.empty((0, 3))


def _role(prompt: Prompt) -> str:
    if isinstance(prompt, BoxPrompt):
        return "box"
    kind = "scribble" if isinstance(prompt, ScribblePrompt) else "lasso"
    return kind if prompt.positive else f"{kind}_out"


def _line_ijk(prompt: Prompt) -> np.ndarray:
    """(N, 3) voxel positions of the line that shows a prompt."""
    return corners_ijk(prompt) if isinstance(prompt, BoxPrompt) else np.array(prompt.voxels_ijk, np.float64)


def _draw(node: Any, volume_node: Any, points_ijk: np.ndarray, first: int = 0) -> None:
    """Make points the control points of a node, those before `first` are so already."""
    was_modifying = node.StartModify()
    for n, point in enumerate(world_from_ijk(volume_node, points_ijk[first:]).tolist(), start=first):
        if n < node.GetNumberOfControlPoints():
            node.SetNthControlPointPositionWorld(n, point)
        else:
            node.AddControlPointWorld(point)
    node.EndModify(was_modifying)


def _outline_node(volume_node: Any, role: str, is_closed: bool) -> Any:
    """A curve without points in the scene of a volume."""
    scene = volume_node.GetScene()
    node = scene.CreateNodeByClass(_CLOSED if is_closed else _OPEN)
    node.UnRegister(None)
    node.SetName(_NAME)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetLocked(True)
    with placing_goes_on(scene):
        scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    _style(node.GetDisplayNode(), role)
    # A registration then moves the outline with the volume.
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetCurveTypeToLinear()
    return node


def _style(display: Any, role: str) -> None:
    display.SetSaveWithScene(False)
    display.SetSelectedColor(*role_color(role))
    display.SetColor(*role_color(role))
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetCurveLineSizeMode(display.UseLineDiameter)
    display.SetLineDiameter(_STROKE_LINE_MM if role in STROKES else _THIN_LINE_MM)
    # A control point of no size: only the line is of interest.
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(_THIN_LINE_MM)


@contextlib.contextmanager
def placing_goes_on(scene: Any) -> Iterator[None]:
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
