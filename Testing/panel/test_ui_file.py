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
    *("QListWidget", "QTableWidget", "qMRMLNodeComboBox"),
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
