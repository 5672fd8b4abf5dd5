"""The .ui file itself: classes that Slicer has, words for everybody, and room in a narrow panel."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

UI = Path(__file__).resolve().parents[2] / "DFQSAMSlicer" / "Resources" / "UI" / "DFQSAMSlicer.ui"
WIDGETS = {node.get("name"): node for node in ElementTree.parse(UI).iter("widget")}
FOR_HANDS = ("QPushButton", "QToolButton", "QComboBox", "QCheckBox", "QSpinBox", "QDoubleSpinBox", "QTableWidget")


def texts(widget, name):
    return "".join(widget.find(f"property[@name='{name}']/string").itertext())


def test_only_widgets_that_have_a_stand_in_are_used():
    custom = {node.get("class") for node in WIDGETS.values() if not node.get("class").startswith("Q")}
    assert custom == {"qMRMLWidget", "qMRMLNodeComboBox", "ctkCollapsibleButton"}


def test_everything_that_can_be_used_explains_itself_to_eyes_and_ears():
    usable = [node for node in WIDGETS.values() if node.get("class") in (*FOR_HANDS, "qMRMLNodeComboBox")]
    assert len(usable) > 25
    assert not [node.get("name") for node in usable if not texts(node, "toolTip") or not texts(node, "accessibleName")]
    assert len({texts(node, "accessibleName") for node in usable}) == len(usable)


def test_parameters_of_the_file_are_those_of_the_class(qt_application):
    from DFQSAMSlicerLib.parameter_node import PanelParameters

    bound = {texts(node, "SlicerParameterName") for node in WIDGETS.values() if "SlicerParameterName" in _names(node)}
    assert bound <= set(PanelParameters.__annotations__)
    assert bound == {"volume", "segmentation", "autoAccept", "refine", "protectOthers", "encodeAhead"}


def test_it_fits_into_400_pixels(person):
    person.press("positiveButton")
    person.click((7, 5, 4))
    assert person.widget._widget.minimumSizeHint.width() <= 400


def test_every_key_is_named_in_a_tooltip_and_given_once(person):
    from DFQSAMSlicerLib.segment_panel.shortcuts import KEYS

    assert set(person.panel.shortcuts.by_name) == set(KEYS)
    assert len({key for key, _ in KEYS.values()}) == len(KEYS)
    for key, widget in KEYS.values():
        assert getattr(person.ui, widget).toolTip.endswith(f"Key: {key}")


def _names(node):
    return {child.get("name") for child in node.findall("property")}
