"""What is drawn with the mouse and is no point: boxes, strokes, brushes, rulers; one drawing for each role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import slicer

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.volume import BoxPrompt, VolumeGeometry
from dfqsam_core.volume.brush import Brush, BrushStroke
from dfqsam_core.volume.prompts import Prompt

from .box_drawing import BoxDrawing
from .brush_drawing import BrushDrawing
from .mouse_presses import MousePresses
from .prompt_events import PromptEvents
from .roi_handle import RoiHandle
from .roles import BRUSHES, STROKES
from .ruler_drawing import PlaceDrawing, RulerDrawing
from .rulers import add_ruler
from .slice_views import show_position
from .stroke_drawing import StrokeDrawing

Drawing = BoxDrawing | StrokeDrawing | BrushDrawing | PlaceDrawing


class Drawings:
    """Listens to the markups nodes of all roles but points, and to the handles of the last 3D box.

    nodes: by role. frees_mouse: a 3D box or a ruler was drawn, so its tool is to be put down: then the mouse can have
    the handles. has_handle: whether there are handles.
    """

    def __init__(
        self, volume_node: Any, geometry: VolumeGeometry, nodes: Mapping[str, Any], events: PromptEvents
    ) -> None:
        self.has_handle = self.frees_mouse = False
        self._events, self._volume_node = events, volume_node
        self._quiet = False
        self._handle = RoiHandle(volume_node, geometry, lambda: self._react(self._handle_moved))
        self._by_role: dict[str, Drawing] = {
            "box": BoxDrawing(volume_node, geometry, nodes["box"], self._drawn),
            "roi": BoxDrawing(volume_node, geometry, nodes["roi"], self._roi_drawn),
            "ruler": RulerDrawing(volume_node, geometry, nodes["ruler"], self._ruler_drawn),
            "crosshair": PlaceDrawing(volume_node, nodes["crosshair"], self._located),
        }
        for role in STROKES:
            self._by_role[role] = StrokeDrawing(volume_node, geometry, nodes[role], role, self._drawn)
        self._brushes = [BrushDrawing(volume_node, geometry, nodes[role], role, self._brushed) for role in BRUSHES]
        self._by_role |= dict(zip(BRUSHES, self._brushes, strict=True))
        self._tags = [
            (nodes[role], tag) for role, drawing in self._by_role.items() for tag in self._observe(nodes[role], drawing)
        ]

    def draw_with(self, presses: MousePresses) -> None:
        """Let this mouse draw; without one a box has two clicks, and a stroke is a script's."""
        for drawing in self._by_role.values():
            drawing.presses = presses

    def use_brush(self, brush: Brush) -> None:
        """Paint and erase with this from now on."""
        for drawing in self._brushes:
            drawing.brush = brush

    def give_up(self) -> None:
        """Take away what nobody will finish; what is drawn next begins anew."""
        for drawing in self._by_role.values():
            self._silently(drawing.give_up)

    @property
    def has_left_slice(self) -> bool:
        """True where a box was begun on a slice that its view does not show any more."""
        return any(drawing.has_left_slice for drawing in self._by_role.values())

    def show(self, prompts: Collection[tuple[str, Prompt]]) -> None:
        """Let the handles stand around boxes that are among these (segment ID, prompt), else take them away."""
        self._handle.follow(prompts)
        self.has_handle = self._handle.pose is not None

    def close(self) -> None:
        """Stop listening, and take away all that is not a prompt."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []
        for drawing in self._by_role.values():
            drawing.close()
        self._handle.remove()

    def _observe(self, node: Any, drawing: Drawing) -> list[int]:
        events = slicer.vtkMRMLMarkupsNode
        return [
            node.AddObserver(events.PointPositionDefinedEvent, lambda *_: self._react(self._placed, drawing)),
            node.AddObserver(events.PointModifiedEvent, lambda *_: self._react(drawing.moved)),
            node.AddObserver(events.PointRemovedEvent, lambda *_: self._react(drawing.left)),
        ]

    def _react(self, action: Callable[..., None], *what: Any) -> None:
        try:
            self._silently(action, *what)
        except DFQSAMError as error:
            self._events.refused(error)

    def _silently(self, action: Callable[..., None], *what: Any) -> None:
        """Hear nothing of what an action does to the nodes; nothing is done where that is so already."""
        if self._quiet:
            return
        self._quiet = True
        try:
            action(*what)
        finally:
            self._quiet = False

    def _placed(self, drawing: Drawing) -> None:
        try:
            drawing.placed()
        except DFQSAMError:
            drawing.give_up()
            raise

    def _drawn(self, prompt: Prompt) -> None:
        self._events.added(self._events.segment(), prompt)

    def _brushed(self, stroke: BrushStroke) -> None:
        self._events.brushed(self._events.segment(), stroke)

    def _ruler_drawn(self, first: np.ndarray, last: np.ndarray) -> None:
        add_ruler(self._volume_node, first, last)
        self.frees_mouse = True
        self._events.changed()

    def _located(self, position: np.ndarray) -> None:
        show_position(self._volume_node.GetScene(), position)
        self._events.changed()

    def _roi_drawn(self, box: BoxPrompt) -> None:
        segment_id = self._events.segment()
        boxes = self._handle.place(box, segment_id)
        self.has_handle = self.frees_mouse = True
        self._events.boxes(segment_id, boxes, frozenset())

    def _handle_moved(self) -> None:
        before = self._handle.pose
        if before is None:
            return
        given = frozenset(before.given)
        boxes = self._handle.boxes()
        if boxes != before.boxes:
            self._events.boxes(before.segment_id, boxes, given)
