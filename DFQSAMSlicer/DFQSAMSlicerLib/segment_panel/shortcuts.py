"""One key for each action, wherever the mouse is; the only place that knows which key does what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

# action: (key, widget of the panel whose tooltip names the key)
KEYS = {
    "positive": ("P", "positiveButton"),
    "negative": ("N", "negativeButton"),
    "box": ("B", "boxButton"),
    "accept": ("A", "acceptButton"),
    "discard": ("D", "discardButton"),
    "candidate 1": ("1", "candidateButton1"),
    "candidate 2": ("2", "candidateButton2"),
    "candidate 3": ("3", "candidateButton3"),
    "undo": ("Ctrl+Z", "undoButton"),
    "redo": ("Ctrl+Y", "redoButton"),
    "remove prompt": ("Del", "removePromptButton"),
    "cancel": ("Esc", "cancelButton"),
}


def name_keys(ui: Any) -> None:
    """Say in the tooltip of each button which key does the same."""
    for key, widget_name in KEYS.values():
        widget = getattr(ui, widget_name)
        widget.setToolTip(widget.toolTip + " " + _("Key: {key}").format(key=key))


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
