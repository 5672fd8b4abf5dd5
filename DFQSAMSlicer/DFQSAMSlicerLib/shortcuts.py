"""One key for each action, wherever the mouse is, also beside other extensions that keep the same keys for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Shortcuts:
    """Keys of the main window while the module is entered; before and after, other modules have theirs.

    Two enabled shortcuts of one key are ambiguous, and Qt gives the key to each in turn. So those of others rest
    meanwhile, and one that comes later leaves ours alive.

    window: where the keys work. actions: what to call, by name. keys: for each of these names a tuple that begins with
    the key as Qt writes it, such as "Ctrl+Z".
    """

    def __init__(
        self,
        window: Any,
        actions: Mapping[str, Callable[[], None]],
        keys: Mapping[str, tuple[str, ...]],
    ) -> None:
        import qt

        self.by_name = {}
        self._window = window
        self._keys = {qt.QKeySequence(keys[name][0]).toString() for name in actions}
        self._resting: list[Any] = []
        for name, action in actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(keys[name][0]))
            shortcut.setEnabled(False)
            shortcut.connect("activated()", action)
            shortcut.connect("activatedAmbiguously()", action)
            self.by_name[name] = shortcut

    def set_enabled(self, enabled: bool) -> None:
        """Listen to the keys while others rest, or give them back to whoever had them."""
        self._give_back()
        if enabled:
            self._resting = self._rivals()
            for rival in self._resting:
                rival.setEnabled(False)
        for shortcut in self.by_name.values():
            shortcut.setEnabled(enabled)

    def close(self) -> None:
        """Take the keys out of the window."""
        self.set_enabled(False)
        for shortcut in self.by_name.values():
            shortcut.deleteLater()
        self.by_name = {}

    def _rivals(self) -> list[Any]:
        """Enabled shortcuts and menu actions of the same keys in the same window."""
        import qt

        wide = (qt.Qt.WindowShortcut, qt.Qt.ApplicationShortcut)
        own = list(self.by_name.values())
        found = [s for s in self._window.findChildren(qt.QShortcut) if s not in own and s.context in wide]
        pairs = [(s, s.key) for s in found if self._is_here(s.parent())]
        pairs += [(a, a.shortcut) for a in self._window.findChildren(qt.QAction) if a.shortcutContext in wide]
        return [rival for rival, key in pairs if rival.enabled and key.toString() in self._keys]

    def _is_here(self, parent: Any) -> bool:
        """Whether a shortcut's parent lies in our window; since Qt 6 it need not be a widget, which has one."""
        return hasattr(parent, "window") and parent.window() == self._window.window()

    def _give_back(self) -> None:
        for rival in self._resting:
            # One whose panel was closed meanwhile is gone, and then false.
            if rival:
                rival.setEnabled(True)
        self._resting = []
