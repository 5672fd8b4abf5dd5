"""The .ui files themselves: words for everybody, parameters and keys that exist, and room in a narrow panel."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

FOLDER = Path(__file__).resolve().parents[2] / "DFQSAMSlicer" / "Resources" / "UI"
FOR_HANDS = {
    *("QPushButton", "QToolButton", "QComboBox", "QCheckBox", "QSpinBox", "QDoubleSpinBox", "QLineEdit"),
    *("QListWidget", "QTableWidget", "qMRMLNodeComboBox", "qMRMLSegmentsTableView", "qMRMLSegmentationShow3DButton"),
}


def widgets(name):
    return list(ElementTree.parse(FOLDER / name).iter("widget"))


def texts(widget, name):
    return "".join(widget.find(f"property[@name='{name}']/string").itertext())


@pytest.mark.parametrize(("file", "least"), [("DFQSAMSlicer.ui", 28), ("ModelPanel.ui", 21)])
def test_everything_that_can_be_used_explains_itself_to_eyes_and_ears(file, least):
    usable = [node for node in widgets(file) if node.get("class") in FOR_HANDS]
    assert len(usable) >= least
    assert not [node.get("name") for node in usable if not texts(node, "toolTip") or not texts(node, "accessibleName")]
    assert len({texts(node, "accessibleName") for node in usable}) == len(usable)


def test_parameters_of_the_file_are_those_of_the_class(qt_application):
    from DFQSAMSlicerLib.parameter_node import PanelParameters

    bound = {
        texts(node, "SlicerParameterName")
        for node in widgets("DFQSAMSlicer.ui")
        if "SlicerParameterName" in _names(node)
    }
    assert bound <= set(PanelParameters.__annotations__)
    assert bound == {"volume", "segmentation", "autoAccept", "refine", "protectOthers", "encodeAhead"}


def test_it_fits_into_400_pixels(person):
    person.press("positiveButton")
    person.click((7, 5, 4))
    assert person.widget._widget.minimumSizeHint.width() <= 400


def test_every_key_is_named_in_a_tooltip_and_given_once(person):
    from DFQSAMSlicerLib.segment_panel.key_names import WIDGETS

    from dfqsam_scene.prompting.keys import KEYS

    assert set(person.panel.shortcuts.by_name) == set(KEYS) == set(WIDGETS)
    assert len({key for key, _ in KEYS.values()}) == len(KEYS)
    for name, (key, _) in KEYS.items():
        assert getattr(person.ui, WIDGETS[name]).toolTip.endswith(f"Key: {key}")


def _names(node):
    return {child.get("name") for child in node.findall("property")}


@pytest.fixture
def large_font(qt_application):
    """12 points, which many people set on a laptop."""
    from PySide6 import QtGui

    before = qt_application.font()
    qt_application.setFont(QtGui.QFont("DejaVu Sans", 12))
    yield
    qt_application.setFont(before)


def test_in_a_large_font_it_is_as_narrow_as_slicers_panel_and_as_high_as_a_laptop(large_font, person):
    from Testing.support.slicer_widgets import least_size

    person.press("positiveButton")
    person.click((7, 5, 4))
    # A panel that was never shown keeps the places of its first layout: it was measured 115 pixels too narrow.
    person.widget.parent.show()
    person.wait()
    width, height = least_size(person.widget.parent, 400)
    assert width <= 400
    assert height <= 900


def test_in_a_large_font_the_model_panel_is_as_narrow(large_font, person, monkeypatch, tmp_path):
    from Testing.support.slicer_widgets import least_size

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    person.ui.modeTabs.setCurrentIndex(1)
    person.wait()
    # Tab and module have margins of 11 pixels on each side.
    assert least_size(person.ui.modelPanelContainer, 300)[0] <= 400 - 2 * 11


def test_there_is_a_button_for_each_role_with_its_key_on_it(person):
    from dfqsam_scene.nodes.roles import ROLES
    from dfqsam_scene.prompting.keys import KEYS

    buttons = [getattr(person.ui, f"{role}Button") for role in ROLES]
    assert [button.text.rsplit(maxsplit=1)[-1] for button in buttons] == [KEYS[role][0] for role in ROLES]
    assert all(button.toolTip and button.accessibleName for button in buttons)
    assert len({button.accessibleName for button in buttons}) == len(ROLES)


def test_what_one_does_first_is_open_and_the_rest_is_folded_away(person):
    folded = {
        node.get("name"): texts_of_bool(node, "collapsed") for node in widgets("DFQSAMSlicer.ui") if is_section(node)
    }
    assert list(folded.items()) == [
        ("promptSection", False),
        ("propagateSection", False),
        ("listSection", True),
        ("windowSection", True),
        ("modelSection", True),
    ]


def is_section(node):
    return node.get("class") == "ctkCollapsibleButton"


def texts_of_bool(node, name):
    return node.find(f"property[@name='{name}']/bool").text == "true"
