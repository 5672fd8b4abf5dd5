"""The keys of the room in Slicer's main window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

from dfqsam_scene.prompting.keys import KEYS

# Which button has the key in its tooltip.
WIDGETS = {
    "positive": "positiveButton",
    "negative": "negativeButton",
    "box": "boxButton",
    "accept": "acceptButton",
    "discard": "discardButton",
    "candidate 1": "candidateButton1",
    "candidate 2": "candidateButton2",
    "candidate 3": "candidateButton3",
    "undo": "undoButton",
    "redo": "redoButton",
    "remove prompt": "removePromptButton",
    "cancel": "cancelButton",
}


def name_keys(ui: Any) -> None:
    """Say in the tooltip of each button which key does the same."""
    for name, widget_name in WIDGETS.items():
        widget = getattr(ui, widget_name)
        widget.setToolTip(widget.toolTip + " " + _("Key: {key}").format(key=KEYS[name][0]))


class Shortcuts:
    """Keys of the main window while the module is entered, so that other modules keep theirs.

    parent: the window in which the keys work. actions: what to call, by the names of KEYS.
    """

    def __init__(self, parent: Any, actions: Mapping[str, Callable[[], None]]) -> None:
        import qt

        self.by_name = {}
        for name, action in actions.items():
            shortcut = qt.QShortcut(parent)
            shortcut.setKey(qt.QKeySequence(KEYS[name][0]))
            shortcut.setEnabled(False)
            shortcut.connect("activated()", action)
            self.by_name[name] = shortcut

    def set_enabled(self, enabled: bool) -> None:
        """Listen to the keys, or leave them to others."""
        for shortcut in self.by_name.values():
            shortcut.setEnabled(enabled)

    def close(self) -> None:
        """Take the keys out of the window."""
        for shortcut in self.by_name.values():
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self.by_name = {}
