"""What the mouse does in the slice views: place a kind of prompt, change the window, or nothing but looking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfqsam_scene.nodes.markups import PromptMarkups, role_of
from dfqsam_scene.nodes.place_mode import Placing

ROLES = ("positive", "negative", "box")


class Tools:
    """At most one of three tools is wanted; it begins when there are markups to place in.

    changed: called when another tool is wanted, also when Escape or a right click ended one.
    """

    def __init__(self, scene: Any, changed: Callable[[], None]) -> None:
        self.wanted: str | None = None
        self._changed = changed
        self._markups: PromptMarkups | None = None
        self._own_change = False
        self._placing = Placing(scene, self._mode_changed)
        self._interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        self._use_mouse_for_window()

    def toggle(self, role: str) -> None:
        """Want a tool, or put it down when it is the present one."""
        self.wanted = None if self.wanted == role else role
        self.follow(self._markups)
        self._changed()

    def put_down(self) -> None:
        """Give the mouse back to the views."""
        self.wanted = None
        self.follow(self._markups)
        self._changed()

    def follow(self, markups: PromptMarkups | None) -> None:
        """Place in these markups (None: not there yet) when a tool is wanted."""
        self._markups = markups
        node = None if markups is None or self.wanted is None else markups.nodes[self.wanted]
        self._own_change = True
        if node is not None and self._placing.node is not node:
            self._placing.begin(node)
        elif node is None and role_of(self._placing.node):
            self._placing.end()
            self._use_mouse_for_window()
        self._own_change = False

    def hold(self) -> None:
        """Place nothing for now: there are no markups (any more)."""
        if self._markups is not None:
            self.follow(None)

    def close(self) -> None:
        """Stop listening."""
        self.put_down()
        self._placing.close()

    def _use_mouse_for_window(self) -> None:
        """Dragging with the left button changes window and level, as at a radiologist's workstation."""
        self._interaction.SetCurrentInteractionMode(self._interaction.AdjustWindowLevel)

    def _mode_changed(self) -> None:
        if self._own_change or self._markups is None or self.wanted is None:
            return
        if self._placing.node is not self._markups.nodes[self.wanted]:
            self.wanted = role_of(self._placing.node)
            if self.wanted is None:
                self._own_change = True
                self._use_mouse_for_window()
                self._own_change = False
            self._changed()
