"""Who has the mouse: at most one tool places prompts, the same way in every front end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..nodes.markups import PromptMarkups
from ..nodes.mouse_presses import MousePresses
from ..nodes.place_mode import PlaceMode
from ..nodes.roles import POINTS, role_of

# (vtkMRMLSliceNode, vtkRenderWindowInteractor) of each slice view that is shown now.
Views = Callable[[], Iterable[tuple[Any, Any]]]


class PlaceTool:
    """The tool that a person wants, until that one is put down, or Escape, a right click or another panel ends it.

    wanted: one of roles.ROLES, or None; it begins when there are markups to place in. changed: called when
    another tool is wanted. window_by_mouse: without a tool the left button changes the displayed window, as at a
    radiologist's workstation; else the views do with it what Slicer lets them. An abandoned first corner of a box, or a
    stroke, is forgotten.
    """

    def __init__(
        self, scene: Any, changed: Callable[[], None], views: Views = tuple, window_by_mouse: bool = False
    ) -> None:
        self.wanted: str | None = None
        self.place_mode = PlaceMode(scene, self._mode_changed)
        self._changed, self._views = changed, views
        self._presses = MousePresses()
        self._watched: list[tuple[Any, Any]] = []
        self._markups: PromptMarkups | None = None
        self._segment_id = ""
        self._own_change = False
        self._interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton") if window_by_mouse else None
        self._rest()

    def choose(self, role: str | None) -> None:
        """Want a tool from now on, None for none."""
        self.wanted = role
        self._give_up()
        self._place()
        self._changed()

    def follow(self, markups: PromptMarkups | None, segment_id: str = "") -> None:
        """Place in these markups (None: not there yet) for this segment; forget a corner of another one, or slice."""
        if markups is not self._markups or segment_id != self._segment_id:
            if not self._goes_on_in(markups, segment_id):
                self._give_up()
            self._markups, self._segment_id = markups, segment_id
            if markups is not None:
                markups.draw_with(self._presses)
        if markups is not None and markups.has_left_slice:
            self._give_up()
        if markups is not None and markups.take_freed_mouse():
            # Not before: Slicer's widget was still placing.
            self.choose(None)
        self._place()

    def _goes_on_in(self, markups: PromptMarkups | None, segment_id: str) -> bool:
        """Whether a point that is being clicked is one of `markups` as well: the model was loaded meanwhile."""
        if markups is None or self._markups is None or segment_id != self._segment_id:
            return False
        return self.wanted in POINTS and markups.nodes == self._markups.nodes

    def give_up_drag(self) -> None:
        """Let the drag in progress place nothing; the tool stays."""
        self._presses.give_up()

    def let_go(self) -> None:
        """Put the tool down and leave the mouse to the panel that has it now."""
        self.wanted = self._markups = None

    def close(self) -> None:
        """Put the tool down and stop listening."""
        self.choose(None)
        self._presses.close()
        self.place_mode.close()

    def _place(self) -> None:
        node = None if self._markups is None or self.wanted is None else self._markups.nodes[self.wanted]
        with self._ours():
            if node is not None:
                self._watch_views()
            if node is not None and self.place_mode.node is not node:
                self.place_mode.begin(node)
            elif node is None:
                self._end_placing()

    def _watch_views(self) -> None:
        """Hear the mouse in the views that are shown now; another layout may have come after the tool."""
        views = list(self._views())
        if views != self._watched:
            self._watched = views
            self._presses.watch(views)

    def _mode_changed(self) -> None:
        """Another mouse mode was chosen elsewhere: with Escape, a right click, Slicer's toolbar, another panel."""
        if self._own_change or self._markups is None or self.wanted is None:
            return
        if self.place_mode.node is not self._markups.nodes[self.wanted]:
            self._forget()
            self.wanted = role_of(self.place_mode.node)
            if self.wanted is None:
                with self._ours():
                    self._rest()
            self._changed()

    def _rest(self) -> None:
        if self._interaction is not None:
            self._interaction.SetCurrentInteractionMode(self._interaction.AdjustWindowLevel)

    def _give_up(self) -> None:
        """End Slicer's mouse mode and forget what is drawn; `_place` begins anew."""
        # In this order: when its mode ends, Slicer's widget takes the point under the mouse away, which must be there.
        with self._ours():
            self._end_placing()
        self._forget()

    def _end_placing(self) -> None:
        if role_of(self.place_mode.node):
            self.place_mode.end()
            self._rest()

    def _forget(self) -> None:
        # Its button may still be down: what began for another segment, tool or volume places nothing here.
        self._presses.give_up()
        if self._markups is not None:
            self._markups.give_up()

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        """Do not take what is done here for somebody else's choice."""
        before, self._own_change = self._own_change, True
        yield
        self._own_change = before
