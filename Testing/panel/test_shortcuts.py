"""Our keys in a main window in which another extension keeps the same ones, with real key presses."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

# What Slicer's slice views do with a key: previous and next slice, fit, visibility, opacities.
KEYS_OF_SLICE_VIEWS = {"B", "F", "R", "V", "G", "T"}
KEYS = {"positive": ("P", ""), "negative": ("N", ""), "box": ("X", ""), "undo": ("Ctrl+Z", ""), "cancel": ("Esc", "")}


class Window:
    """A main window with a view that has the focus, and what was heard in it."""

    def __init__(self, qt, application):
        from PySide6 import QtCore, QtWidgets

        self.heard = []
        self._qt, self._application = qt, application
        self.window = qt.QMainWindow()
        self.view = View(self.heard)
        self.view.setFocusPolicy(QtCore.Qt.StrongFocus)
        QtWidgets.QMainWindow.setCentralWidget(self.window, self.view)
        self.window.show()
        self.window.activateWindow()
        self.view.setFocus()
        application.processEvents()

    def other_extensions(self, key, parent=None):
        """A shortcut that another extension made when its panel was first opened."""
        shortcut = self._qt.QShortcut(parent or self.window)
        shortcut.setKey(self._qt.QKeySequence(key))
        shortcut.connect("activated()", lambda: self.heard.append(f"their {key}"))
        return shortcut

    def press(self, text):
        from PySide6 import QtCore, QtTest

        key, modifier = getattr(QtCore.Qt, f"Key_{text[-1]}"), QtCore.Qt.NoModifier
        QtTest.QTest.keyClick(self.view, key, QtCore.Qt.ControlModifier if text.startswith("Ctrl+") else modifier)
        said, self.heard[:] = list(self.heard), []
        return said


def View(heard):
    from PySide6 import QtWidgets

    class SliceView(QtWidgets.QWidget):
        def keyPressEvent(self, event):
            # Ctrl alone is a key press without a text.
            if event.text():
                heard.append(f"view {event.text()}")

    return SliceView()


@pytest.fixture
def window(qt_application):
    import qt

    found = Window(qt, qt_application)
    yield found
    found.window.close()


@pytest.fixture
def shortcuts(window):
    from DFQSAMSlicerLib.shortcuts import Shortcuts

    actions = {name: lambda name=name: window.heard.append(name) for name in KEYS}
    found = Shortcuts(window.window, actions, KEYS)
    yield found
    found.close()


def test_keys_work_only_while_the_module_is_shown(window, shortcuts):
    assert window.press("P") == ["view p"]
    shortcuts.set_enabled(True)
    assert (window.press("P"), window.press("Ctrl+Z"), window.press("X")) == (["positive"], ["undo"], ["box"])
    shortcuts.set_enabled(False)
    assert window.press("P") == ["view p"]


def test_keys_work_beside_those_that_another_extension_keeps_and_are_given_back(window, shortcuts):
    theirs = [window.other_extensions(key) for key in ("P", "Ctrl+Z", "Q")]
    assert window.press("P") == ["their P"]
    shortcuts.set_enabled(True)
    assert [window.press("P") for _ in range(3)] == [["positive"]] * 3
    assert window.press("Ctrl+Z") == ["undo"]
    assert window.press("Q") == ["their Q"]
    shortcuts.set_enabled(False)
    assert all(shortcut.enabled for shortcut in theirs)
    assert (window.press("P"), window.press("Ctrl+Z")) == (["their P"], ["their Ctrl+Z"])


def test_one_that_comes_while_the_module_is_shown_leaves_ours_alive(window, shortcuts):
    shortcuts.set_enabled(True)
    window.other_extensions("P")
    # Qt gives an ambiguous key to one after the other; theirs does not listen to that.
    assert "positive" in window.press("P") + window.press("P")


def test_what_was_off_stays_off_and_what_is_gone_is_no_fault(window, shortcuts, qt_application):
    import qt

    off, gone = window.other_extensions("P"), window.other_extensions("N")
    off.setEnabled(False)
    shortcuts.set_enabled(True)
    gone.deleteLater()
    qt.QCoreApplication.sendPostedEvents(gone, qt.QEvent.DeferredDelete)
    shortcuts.set_enabled(False)
    assert not off.enabled
    assert window.press("P") == ["view p"]


def test_keys_of_other_windows_and_of_single_widgets_are_no_rivals(window, shortcuts):
    import qt

    dialog = qt.QDialog(window.window)
    elsewhere, narrow = window.other_extensions("P", dialog), window.other_extensions("N")
    narrow.setContext(qt.Qt.WidgetShortcut)
    shortcuts.set_enabled(True)
    assert elsewhere.enabled
    assert narrow.enabled
    assert window.press("P") == ["positive"]


def test_slicers_menu_undo_rests_while_the_module_is_shown(window, shortcuts):
    import qt

    undo = qt.QAction("Undo", window.window)
    undo.setShortcut(qt.QKeySequence("Ctrl+Z"))
    undo.connect("triggered()", lambda: window.heard.append("menu"))
    window.window.addAction(undo)
    assert window.press("Ctrl+Z") == ["menu"]
    shortcuts.set_enabled(True)
    assert [window.press("Ctrl+Z") for _ in range(2)] == [["undo"]] * 2
    shortcuts.set_enabled(False)
    assert window.press("Ctrl+Z") == ["menu"]


def test_the_panel_takes_no_key_of_slicers_slice_views(qt_application):
    from dfqsam_scene.prompting.keys import KEYS as PANEL_KEYS

    assert not {key for key, _ in PANEL_KEYS.values()} & KEYS_OF_SLICE_VIEWS


def test_a_key_that_is_not_ours_reaches_the_slice_view(window, shortcuts):
    shortcuts.set_enabled(True)
    assert window.press("B") == ["view b"]


def test_closing_takes_the_keys_out_and_gives_theirs_back(window, shortcuts):
    theirs = window.other_extensions("P")
    shortcuts.set_enabled(True)
    shortcuts.close()
    assert theirs.enabled
    assert shortcuts.by_name == {}
    assert window.press("P") == ["their P"]
