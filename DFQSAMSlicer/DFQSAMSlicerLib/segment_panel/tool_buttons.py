"""A button for each role of the place tool, with its key on it; a new role needs no other place here."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from dfqsam_scene.nodes.roles import ROLES, role_color
from dfqsam_scene.prompting.keys import KEYS
from dfqsam_scene.prompting.verbs import Verb
from dfqsam_scene.prompting.view_state import ViewState

from .pictures import color_icon

# Short words for a narrow panel; a role that is not named here goes by its own.
_NAMES = {"positive": _("Point +"), "negative": _("Point −"), "box": _("Box")}
_IN_A_ROW = 3


class ToolButtons:
    """Fills ui.toolRow, and makes each button known in `ui` as those of the .ui file: positiveButton, boxButton, …"""

    def __init__(self, ui: Any, verbs: dict[str, Verb]) -> None:
        layout = ui.toolRow.layout()
        self._buttons = {role: _button(role) for role in ROLES}
        for n, (role, button) in enumerate(self._buttons.items()):
            layout.addWidget(button, n // _IN_A_ROW, n % _IN_A_ROW)
            button.connect("clicked()", verbs[role])
            setattr(ui, button.objectName, button)

    def show(self, state: ViewState) -> None:
        """Show which tool is down."""
        for role, button in self._buttons.items():
            button.setEnabled(state.can_place)
            button.setChecked(role == state.tool)


def _button(role: str) -> Any:
    key, words = KEYS[role]
    name = _NAMES.get(role, role.capitalize())
    button = qt.QToolButton()
    button.setObjectName(f"{role}Button")
    button.setText(f"{name}  {key}")
    button.setToolTip(f"{words[0].upper()}{words[1:]}.")
    button.setAccessibleName(name)
    button.setCheckable(True)
    button.setIcon(color_icon(*role_color(role)))
    button.setToolButtonStyle(qt.Qt.ToolButtonTextBesideIcon)
    button.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
    return button
