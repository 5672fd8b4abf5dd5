"""The three tools: where the next click goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfqsam_scene.nodes.markups import PromptMarkups, role_color, role_of
from dfqsam_scene.nodes.place_mode import Placing

from .pictures import color_icon

ROLES = ("positive", "negative", "box")


class PromptTools:
    """Three buttons of which at most one is down; wanted: the tool a person chose, until it or Escape ends it.

    begun: called when a tool is chosen, to open what it needs. A tool waits for that, and begins when it is there.
    """

    def __init__(self, ui: Any, begun: Callable[[], None]) -> None:
        self._buttons = dict(zip(ROLES, (ui.positiveButton, ui.negativeButton, ui.boxButton), strict=True))
        self._begun = begun
        self._placing: Placing | None = None
        self._markups: PromptMarkups | None = None
        self._own_change = False
        self.wanted: str | None = None
        for role, button in self._buttons.items():
            button.setIcon(color_icon(*role_color(role)))
            button.connect("clicked()", lambda role=role: self.toggle(role))

    def watch(self, scene: Any) -> None:
        """Follow the mouse mode of a scene."""
        self._placing = Placing(scene, self._mode_changed)

    def toggle(self, role: str) -> None:
        """Choose a tool, or put it down when it is the present one."""
        self.wanted = None if self.wanted == role else role
        if self.wanted is not None:
            self._begun()
        self.show(self._markups)

    def put_down(self) -> None:
        """Give the mouse back to the views."""
        self.wanted = None
        self.show(self._markups)

    def let_go(self) -> None:
        """Put the tool down and leave the mouse to the panel that has it now."""
        self.wanted = self._markups = None
        for button in self._buttons.values():
            button.setChecked(False)

    def show(self, markups: PromptMarkups | None) -> None:
        """Let the wanted tool place points in these markups (None: not there yet)."""
        self._markups = markups
        for role, button in self._buttons.items():
            button.setChecked(role == self.wanted)
        if self._placing is None:
            return
        node = None if markups is None or self.wanted is None else markups.nodes[self.wanted]
        self._own_change = True
        if node is not None and self._placing.node is not node:
            self._forget_corner()
            self._placing.begin(node)
        elif node is None and role_of(self._placing.node):
            self._forget_corner()
            self._placing.end()
        self._own_change = False

    def close(self) -> None:
        """Put the tool down and stop listening."""
        self.put_down()
        if self._placing is not None:
            self._placing.close()
        self._placing = self._markups = None

    def set_enabled(self, enabled: bool) -> None:
        """Let the tools be chosen, or not."""
        for button in self._buttons.values():
            button.setEnabled(enabled)

    def _forget_corner(self) -> None:
        if self._markups is not None:
            self._markups.forget_corner()

    def _mode_changed(self) -> None:
        """Another mouse mode was chosen elsewhere: with Escape, a right click, Slicer's toolbar, another panel."""
        if self._own_change or self._placing is None or self._markups is None or self.wanted is None:
            return
        if self._placing.node is not self._markups.nodes[self.wanted]:
            self._forget_corner()
            self.wanted = role_of(self._placing.node)
            for role, button in self._buttons.items():
                button.setChecked(role == self.wanted)
