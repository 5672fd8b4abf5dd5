"""Prompts as markups of the scene: placing, moving or removing a control point gives, moves or takes back a prompt."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import slicer

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.volume import BoxPrompt, PointPrompt
from dfqsam_core.volume.brush import Brush
from dfqsam_core.volume.prompts import Prompt

from .drawings import Drawings
from .mouse_presses import MousePresses
from .place_mode import OUTSIDE, clicked_view
from .prompt_events import PromptEvents
from .roles import OTHER_ROLES, ROLES, node_of_role
from .shown_volume import refuse_where_hidden
from .slice_views import slice_nodes
from .volume_node import ijk_of_point, read_volume_node, view_axis, world_from_ijk, world_of_point


class PromptMarkups:
    """The markups nodes of all roles on one volume: two hold points, the others guide the mouse while it draws.

    Each point is one control point on its voxel's centre, whose description says which segment and axis it belongs
    to. Those nodes are saved with the scene and found again by their attribute.
    """

    def __init__(self, volume_node: Any, events: PromptEvents) -> None:
        self._volume_node = volume_node
        self._geometry = read_volume_node(volume_node).geometry
        self._acquisition_axis = self._geometry.acquisition_axis
        self._events = events
        self._shown: dict[str, dict[str, tuple[str, PointPrompt]]] = {"positive": {}, "negative": {}}
        self._quiet = False
        self._scene = scene = volume_node.GetScene()
        self.nodes = {role: node_of_role(scene, role) for role in (*ROLES, *OTHER_ROLES)}
        for node in self.nodes.values():
            # A registration then moves the prompts with the volume.
            node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        self._drawings = Drawings(volume_node, self._geometry, self.nodes, events)
        for role in self._shown:
            self._find_saved(role)
        self._tags = [(self.nodes[role], tag) for role in self._shown for tag in self._observe(role, self.nodes[role])]
        self._tags.append((scene, scene.AddObserver(scene.NodeAddedEvent, lambda *_: self._keep_to_slices())))
        self._keep_to_slices()

    def close(self) -> None:
        """Stop listening; the nodes stay in the scene."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []
        self._drawings.close()

    def show(self, prompts: Iterable[tuple[str, Prompt]]) -> None:
        """Make the control points these (segment ID, prompt) pairs; the others are drawn by `PromptOutlines`."""
        prompts = tuple(prompts)
        if self._drawings.has_handle or any(isinstance(prompt, BoxPrompt) for _, prompt in prompts):
            self._drawings.show(prompts)
        wanted = {role: Counter[tuple[str, PointPrompt]]() for role in self._shown}
        for segment_id, prompt in prompts:
            if isinstance(prompt, PointPrompt):
                wanted["positive" if prompt.positive else "negative"][segment_id, prompt] += 1
        for role, shown in self._shown.items():
            # Most calls have nothing new to show.
            if wanted[role] != Counter(shown.values()):
                self._show_points(role, wanted[role])

    def give_up(self) -> None:
        """Take away the first corner of a box, or a stroke, that nobody will finish."""
        self._drawings.give_up()

    @property
    def has_left_slice(self) -> bool:
        """True where a box was begun on a slice that its view does not show any more."""
        return self._drawings.has_left_slice

    def take_freed_mouse(self) -> bool:
        """Return whether something was drawn since the last call whose handles the mouse shall have, without a tool."""
        is_freed, self._drawings.frees_mouse = self._drawings.frees_mouse, False
        return is_freed

    def draw_with(self, presses: MousePresses) -> None:
        """Let a drag of this mouse draw."""
        self._drawings.draw_with(presses)

    def use_brush(self, brush: Brush) -> None:
        """Paint and erase with this from now on."""
        self._drawings.use_brush(brush)

    def shown(self) -> list[tuple[str, PointPrompt]]:
        """(segment ID, prompt) of all control points that stand for one, those of a loaded scene included."""
        return [pair for points in self._shown.values() for pair in points.values()]

    def _find_saved(self, role: str) -> None:
        """Know the control points that a loaded scene brought; any that is not ours or outside is left alone."""
        node = self.nodes[role]
        for n in _defined(node):
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

    def _observe(self, role: str, node: Any) -> list[int]:
        events = slicer.vtkMRMLMarkupsNode
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
        present = {node.GetNthControlPointID(n): n for n in _defined(node)}
        for point_id in [known for known in shown if known not in present]:
            self._events.removed(*shown.pop(point_id))
        for point_id, n in present.items():
            if point_id not in shown:
                self._take(node, n, role)
                return

    def _take(self, node: Any, n: int, role: str) -> None:
        """Make a new control point a prompt; one that cannot be is removed again."""
        try:
            view = clicked_view(node)
            refuse_where_hidden(self._volume_node, view)
            prompt, segment_id = self._point(node, n, role, self._axis(node, n, view)), self._events.segment()
        except DFQSAMError:
            with self._silence():
                node.RemoveNthControlPoint(n)
            raise
        self._adopt(role, n, segment_id, prompt)
        self._events.added(segment_id, prompt)

    def _moved(self, role: str) -> None:
        node, shown = self.nodes[role], self._shown[role]
        for n in _defined(node):
            point_id = node.GetNthControlPointID(n)
            if point_id in shown:
                segment_id, old = shown[point_id]
                new = self._point(node, n, role, self._axis(node, n, clicked_view(node)))
                if new != old:
                    del shown[point_id]
                    self._events.removed(segment_id, old)
                    self._take(node, n, role)
                    return

    def _point(self, node: Any, n: int, role: str, axis: str) -> PointPrompt:
        ijk = ijk_of_point(self._volume_node, node, n)
        try:
            return PointPrompt.at(self._geometry, ijk, "IJK", role == "positive", axis)
        except PromptError as error:
            raise PromptError(OUTSIDE) from error

    def _axis(self, node: Any, n: int, view: Any) -> str:
        """The axis of the slice view that the mouse is in; of a script's own point the acquisition axis."""
        if view is None:
            return self._acquisition_axis
        return view_axis(self._volume_node, view, world_of_point(node, n))

    def _keep_to_slices(self) -> None:
        """Show and place prompts in slice views only: a 3D view would put them on a slice that nobody looks at."""
        ids = [node.GetID() for node in slice_nodes(self._scene)]
        for node in self.nodes.values():
            display = node.GetDisplayNode()
            if display is not None and list(display.GetViewNodeIDs()) != ids:
                display.SetViewNodeIDs(ids)

    @contextlib.contextmanager
    def _silence(self) -> Iterator[None]:
        """Hear nothing of what this object does to its nodes."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _defined(node: Any) -> list[int]:
    """Numbers of the control points that were placed; one that only follows the mouse is none."""
    count = range(node.GetNumberOfControlPoints())
    return [n for n in count if node.GetNthControlPointPositionStatus(n) == node.PositionDefined]
