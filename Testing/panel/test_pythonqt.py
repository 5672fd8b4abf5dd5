"""The adapter over PySide6 is as unkind as PythonQt wherever code could rely on the kinder one."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")


@pytest.fixture
def qt(qt_application):
    import qt

    from Testing.support import pythonqt

    yield qt
    pythonqt.refused.clear()


def test_keyword_arguments_are_refused(qt):
    with pytest.raises(ValueError, match="keyword"):
        qt.QPushButton(text="Accept")
    with pytest.raises(ValueError, match="keyword"):
        qt.QLabel().setText(text="Accept")


def test_a_wrapped_object_takes_no_attribute_of_pythons_own(qt):
    button = qt.QPushButton()
    with pytest.raises(AttributeError, match="role"):
        button.role = "positive"
    button.text = "Accept"
    assert button.text == "Accept"
    assert not hasattr(button, "role")


def test_an_object_whose_widget_is_gone_is_false_and_raises(qt):
    parent = qt.QWidget()
    label = qt.QLabel("here", parent)
    assert label
    parent.deleteLater()
    qt.QCoreApplication.sendPostedEvents(parent, qt.QEvent.DeferredDelete)
    assert not label
    for use in (lambda: label.text, lambda: label.setText("there")):
        with pytest.raises(ValueError, match="destroyed"):
            use()


@pytest.mark.parametrize("signature", ["clicked", "pressedHard()", "clicked(int)"])
def test_a_signal_that_does_not_exist_is_refused_with_a_line(qt, capsys, signature):
    calls = []
    button = qt.QPushButton()
    assert button.connect(signature, lambda: calls.append(1)) is False
    assert "does not exist" in capsys.readouterr().err
    assert button.connect("clicked()", lambda: calls.append(1)) is True
    button.click()
    assert calls == [1]


def test_only_what_was_connected_can_be_disconnected(qt):
    calls = []
    button, slot = qt.QPushButton(), lambda: calls.append(1)
    assert button.disconnect("clicked()", slot) is False
    button.connect("clicked()", slot)
    assert button.disconnect("clicked()", slot) is True
    button.click()
    assert calls == []


def test_none_is_a_text_and_lists_are_tuples(qt):
    label, other = qt.QLabel(), qt.QLabel()
    label.setText(None)
    other.text = None
    assert (label.text, other.text) == ("None", "None")
    parent = qt.QWidget()
    child = qt.QWidget(parent)
    assert parent.children() == (child,)


def test_a_timer_that_nobody_refers_to_dies(qt, qt_application):
    calls = []

    def start():
        timer = qt.QTimer()
        timer.setInterval(0)
        timer.connect("timeout()", lambda: calls.append(1))
        timer.start()
        return timer

    start()
    for _ in range(5):
        qt_application.processEvents()
    assert calls == []
    kept = start()
    qt_application.processEvents()
    assert kept
    assert calls
    kept.stop()
