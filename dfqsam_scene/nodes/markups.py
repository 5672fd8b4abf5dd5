"""Prompts as markups of the scene: placing, moving or removing a control point gives, moves or takes back a prompt."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import BoxPrompt, PointPrompt
from dfqsam_core.volume.prompts import Prompt

from .volume_node import ijk_from_world, read_volume_node, view_axis, world_from_ijk

_ROLE = "DFQSAMSlicer.role"
# name in the scene, class, colour
_ROLES = {
    "positive": ("SAM points +", "vtkMRMLMarkupsFiducialNode", (0.1, 0.85, 0.2)),
    "negative": ("SAM points -", "vtkMRMLMarkupsFiducialNode", (0.9, 0.1, 0.1)),
    "box": ("SAM box", "vtkMRMLMarkupsLineNode", (0.2, 0.5, 1.0)),
}


def role_of(node: Any) -> str | None:
    """What a markups node is for: "positive", "negative", "box", or None where it is not ours."""
    return None if node is None else node.GetAttribute(_ROLE)


def role_color(role: str) -> tuple[float, float, float]:
    """Red, green and blue 0..1 of the markups of a role."""
    return _ROLES[role][2]


@dataclass
class PromptEvents:
    """What the markups tell a panel.

    segment: the segment that new prompts go to; raises PromptError where none is chosen. added: a person placed this
    prompt of a segment. removed: a person took it away. refused: what was done cannot be a prompt, and why.
    """

    segment: Callable[[], str]
    added: Callable[[str, Prompt], None]
    removed: Callable[[str, Prompt], None]
    refused: Callable[[DFQSAMError], None]


class PromptMarkups:
    """Three markups nodes on one volume: positive points, negative points, and the diagonal of the box being drawn.

    Each prompt is one control point on its voxel's centre, whose description says which segment and axis it belongs
    to. The nodes are saved with the scene and found again by their attribute.
    """

    def __init__(self, volume_node: Any, events: PromptEvents) -> None:
        self._volume_node = volume_node
        self._geometry = read_volume_node(volume_node).geometry
        self._events = events
        self._shown: dict[str, dict[str, tuple[str, PointPrompt]]] = {"positive": {}, "negative": {}}
        self._quiet = False
        self.nodes = {role: self._node(role) for role in _ROLES}
        for role in self._shown:
            self._find_saved(role)
        self._tags = [(node, tag) for role, node in self.nodes.items() for tag in self._observe(role, node)]

    def close(self) -> None:
        """Stop listening; the nodes stay in the scene."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []

    def show(self, prompts: Iterable[tuple[str, Prompt]]) -> None:
        """Make the control points these (segment ID, prompt) pairs; boxes are drawn by `BoxOutlines`."""
        wanted = {role: Counter[tuple[str, PointPrompt]]() for role in self._shown}
        for segment_id, prompt in prompts:
            if isinstance(prompt, PointPrompt):
                wanted["positive" if prompt.positive else "negative"][segment_id, prompt] += 1
        for role, shown in self._shown.items():
            # Most calls have nothing new to show.
            if wanted[role] != Counter(shown.values()):
                self._show_points(role, wanted[role])

    def forget_corner(self) -> None:
        """Take away the first corner of a box that nobody will finish; the next box begins with a corner of its own."""
        with self._silence():
            self.nodes["box"].RemoveAllControlPoints()

    def shown(self) -> list[tuple[str, PointPrompt]]:
        """(segment ID, prompt) of all control points that stand for one, those of a loaded scene included."""
        return [pair for points in self._shown.values() for pair in points.values()]

    def _find_saved(self, role: str) -> None:
        """Know the control points that a loaded scene brought; any that is not ours or outside is left alone."""
        node = self.nodes[role]
        for n in self._defined(node):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                place = json.loads(node.GetNthControlPointDescription(n))
                prompt = self._point(node, n, role, str(place["axis"]))
                self._shown[role][node.GetNthControlPointID(n)] = (str(place["segment"]), prompt)

    def _show_points(self, role: str, points: Counter[tuple[str, PointPrompt]]) -> None:
        """Remove what is not wanted and add what is missing: a point in the middle of being placed is not touched."""
        node, shown, missing = self.nodes[role], self._shown[role], points.copy()
        with self._silence():
            for point_id, pair in list(shown.items()):
                if missing[pair] > 0:
                    missing[pair] -= 1
                else:
                    del shown[point_id]
                    node.RemoveNthControlPoint(node.GetNthControlPointIndexByID(point_id))
            for segment_id, prompt in missing.elements():
                position = world_from_ijk(self._volume_node, prompt.ijk).tolist()
                self._adopt(role, node.AddControlPointWorld(position, ""), segment_id, prompt)

    def _adopt(self, role: str, n: int, segment_id: str, prompt: PointPrompt) -> None:
        """Make a control point stand for a prompt: on its voxel's centre, with its place in the description."""
        node = self.nodes[role]
        node.SetNthControlPointPositionWorld(n, world_from_ijk(self._volume_node, prompt.ijk).tolist())
        node.SetNthControlPointDescription(n, json.dumps({"segment": segment_id, "axis": prompt.axis}))
        self._shown[role][node.GetNthControlPointID(n)] = (segment_id, prompt)

    def _node(self, role: str) -> Any:
        scene = self._volume_node.GetScene()
        name, class_name, color = _ROLES[role]
        for n in range(scene.GetNumberOfNodesByClass(class_name)):
            node = scene.GetNthNodeByClass(n, class_name)
            if node.GetAttribute(_ROLE) == role:
                break
        else:
            node = scene.AddNewNodeByClass(class_name, name)
            node.SetAttribute(_ROLE, role)
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetSelectedColor(*color)
            node.GetDisplayNode().SetPropertiesLabelVisibility(False)
            node.GetDisplayNode().SetPointLabelsVisibility(False)
        # A registration then moves the prompts with the volume.
        node.SetAndObserveTransformNodeID(self._volume_node.GetTransformNodeID())
        return node

    def _observe(self, role: str, node: Any) -> list[int]:
        events = slicer.vtkMRMLMarkupsNode
        if role == "box":
            return [node.AddObserver(events.PointPositionDefinedEvent, lambda *_: self._guard(self._box_placed))]
        return [
            node.AddObserver(events.PointPositionDefinedEvent, lambda *_: self._guard(self._changed, role)),
            node.AddObserver(events.PointRemovedEvent, lambda *_: self._guard(self._changed, role)),
            node.AddObserver(events.PointEndInteractionEvent, lambda *_: self._guard(self._moved, role)),
        ]

    def _guard(self, react: Callable[..., None], *what: str) -> None:
        if self._quiet:
            return
        try:
            react(*what)
        except DFQSAMError as error:
            self._events.refused(error)

    def _changed(self, role: str) -> None:
        """Tell which control points are new and which are gone since `show`."""
        node, shown = self.nodes[role], self._shown[role]
        present = {node.GetNthControlPointID(n): n for n in self._defined(node)}
        for point_id in [known for known in shown if known not in present]:
            self._events.removed(*shown.pop(point_id))
        for point_id, n in present.items():
            if point_id not in shown:
                self._take(node, n, role)
                return

    def _take(self, node: Any, n: int, role: str) -> None:
        """Make a new control point a prompt; one that cannot be is removed again."""
        try:
            prompt, segment_id = self._point(node, n, role, self._axis(node, n)), self._events.segment()
        except DFQSAMError:
            with self._silence():
                node.RemoveNthControlPoint(n)
            raise
        self._adopt(role, n, segment_id, prompt)
        self._events.added(segment_id, prompt)

    def _moved(self, role: str) -> None:
        node, shown = self.nodes[role], self._shown[role]
        for n in self._defined(node):
            point_id = node.GetNthControlPointID(n)
            if point_id in shown:
                segment_id, old = shown[point_id]
                new = self._point(node, n, role, self._axis(node, n))
                if new != old:
                    del shown[point_id]
                    self._events.removed(segment_id, old)
                    self._take(node, n, role)
                    return

    def _box_placed(self) -> None:
        node = self.nodes["box"]
        if len(self._defined(node)) < 2:
            return
        axis = self._axis(node, 1)
        corners = [self._voxel(node, n) for n in (0, 1)]
        with self._silence():
            node.RemoveAllControlPoints()
        # Both clicks were on one view; rounding across it may differ by a slice where the view is oblique.
        corners[0]["IJK".index(axis)] = corners[1]["IJK".index(axis)]
        box = BoxPrompt.at(self._geometry, (corners[0], corners[1]), "IJK", axis)
        self._events.added(self._events.segment(), box)

    def _point(self, node: Any, n: int, role: str, axis: str) -> PointPrompt:
        return PointPrompt.at(self._geometry, self._voxel(node, n), "IJK", role == "positive", axis)

    def _voxel(self, node: Any, n: int) -> np.ndarray:
        position = [0.0, 0.0, 0.0]
        node.GetNthControlPointPositionWorld(n, position)
        return ijk_from_world(self._volume_node, position)

    def _axis(self, node: Any, n: int) -> str:
        """The axis of the slice view that the mouse is in; elsewhere, for instance in 3D, the acquisition axis."""
        crosshair = node.GetScene().GetFirstNodeByClass("vtkMRMLCrosshairNode")
        view = None if crosshair is None else crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0])
        if view is None:
            return self._geometry.acquisition_axis
        position = [0.0, 0.0, 0.0]
        node.GetNthControlPointPositionWorld(n, position)
        return view_axis(self._volume_node, view, position)

    @contextlib.contextmanager
    def _silence(self) -> Iterator[None]:
        """Hear nothing of what this object does to its nodes."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    @staticmethod
    def _defined(node: Any) -> list[int]:
        count = range(node.GetNumberOfControlPoints())
        return [n for n in count if node.GetNthControlPointPositionStatus(n) == node.PositionDefined]
