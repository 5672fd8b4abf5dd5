"""What a module asks of Slicer's application, `slicer.app`, as far as ours does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore

from .pythonqt import ByName


class ModuleManager(ByName, QtCore.QObject):
    """Says when a module is taken out: at Slicer's end, every module is."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)


class SlicerApplication(ByName, QtCore.QObject):
    """Signals, settings and the stack of mouse cursors; settings_file: a file of its own.

    cursors: those that lie over the window's own now, the latest last. startupCompleted: emitted when all modules are
    there; a module that is connected earlier finds others only then.
    """

    startupCompleted = QtCore.Signal()
    applicationName = "Slicer"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    def __init__(self, settings_file: Path) -> None:
        super().__init__()
        self._settings = QtCore.QSettings(str(settings_file), QtCore.QSettings.IniFormat)
        self._manager = ModuleManager()
        self.cursors: list[Any] = []

    def userSettings(self) -> QtCore.QSettings:
        """Settings that hold for every version of Slicer."""
        return self._settings

    def settings(self) -> QtCore.QSettings:
        """The same here."""
        return self._settings

    def moduleManager(self) -> ModuleManager:
        """Who loads and unloads modules."""
        return self._manager

    def layoutManager(self) -> Any:
        """Who has the views; None before Slicer has its window."""
        return None

    def moduleDocumentationUrl(self, name: str) -> str:
        """Page of a module in Slicer's own documentation, whether there is one or not."""
        return f"{self.documentationBaseUrl}/user_guide/modules/{name.lower()}.html"

    def translate(self, context: str, text: str) -> str:
        """No translation is loaded."""
        return text

    def testingEnabled(self) -> bool:
        """Not `Slicer --testing`."""
        return False

    def setOverrideCursor(self, cursor: Any) -> None:
        """Show another mouse cursor over all windows, dialogs as well, until it is restored."""
        self.cursors.append(cursor)

    def restoreOverrideCursor(self) -> None:
        """Take the latest one away."""
        self.cursors.pop()
