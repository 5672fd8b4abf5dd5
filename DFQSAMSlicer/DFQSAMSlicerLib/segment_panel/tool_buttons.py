"""A button for each role of the place tool, with its key on it; a new role needs no other place here."""

from __future__ import annotations

from typing import Any

import qt

from dfqsam_scene.nodes.roles import ROLES, role_color
from dfqsam_scene.prompting.keys import KEYS, TOOL_NAMES, tool_tip
from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import ViewState

from .pictures import color_icon

# What a tool adds and what it takes away stand side by side, at a font of 12 points in a panel of 400 pixels, too.
_IN_A_ROW = 2


class ToolButtons:
    """Fills ui.toolRow, and makes each button known in `ui` as those of the .ui file: positiveButton, boxButton, …"""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        layout = ui.toolRow.layout()
        self._buttons = {role: _button(role) for role in ROLES}
        # Of buttons that say meanwhile why they are disabled.
        self._tips: dict[str, str] = {}
        for n, (role, button) in enumerate(self._buttons.items()):
            layout.addWidget(button, n // _IN_A_ROW, n % _IN_A_ROW)
            button.connect("clicked()", verbs[role])
            setattr(ui, button.objectName, button)

    def show(self, state: ViewState) -> None:
        """Show which tool is down."""
        for role, button in self._buttons.items():
            is_refused = role in state.training.refused_tools
            button.setEnabled(state.can_place and not is_refused)
            if is_refused:
                self._tips.setdefault(role, button.toolTip)
                button.setToolTip(state.training.why_refused)
            elif role in self._tips:
                button.setToolTip(self._tips.pop(role))
            button.setChecked(role == state.tool)


def _button(role: str) -> Any:
    button = qt.QToolButton()
    button.setObjectName(f"{role}Button")
    button.setText(f"{TOOL_NAMES[role]}  {KEYS[role][0]}")
    button.setToolTip(tool_tip(role))
    button.setAccessibleName(TOOL_NAMES[role])
    button.setCheckable(True)
    button.setIcon(color_icon(*role_color(role)))
    button.setToolButtonStyle(qt.Qt.ToolButtonTextBesideIcon)
    button.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
    return button
