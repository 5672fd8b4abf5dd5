"""What a person gets who never chose a model: the packed one answers and says so, the float one is a choice away."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from PySide6 import QtWidgets

from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, resource_path

FLOAT, PACKED = resource_path(DEMO_CHECKPOINT), resource_path(DEMO_MODEL)
FLOAT_WORDS, PACKED_WORDS = "Demonstration model, float", "Demonstration model, packed 4-bit"


@pytest.fixture
def settings(slicer_app):
    """Slicer's settings in which no model was ever chosen."""
    found = slicer_app.userSettings()
    found.setValue("DFQSAMSlicer/ModelFile", "")
    return found


def items(box):
    """The texts of a box."""
    return [box.itemText(row) for row in range(box.count)]


def test_the_packed_model_is_chosen_first_and_the_float_one_is_remembered(settings, new_widget):
    from DFQSAMSlicerLib.segment_panel.model_choice import chosen_model

    widget = new_widget()
    box = widget.ui.modelBox
    assert items(box) == [PACKED_WORDS, FLOAT_WORDS]
    assert box.currentText == PACKED_WORDS
    assert chosen_model() == PACKED
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert widget._segmentPanel.room.choice.model_path == FLOAT
    assert chosen_model() == FLOAT
    # A new installation lies elsewhere.
    assert str(FLOAT.parent) not in settings.value("DFQSAMSlicer/ModelFile")
    again = new_widget()
    assert again.ui.modelBox.currentText == FLOAT_WORDS
    assert again._segmentPanel.room.choice.model_path == FLOAT


def test_an_embedded_model_from_the_list_of_models_is_no_file_of_ones_own(settings, new_widget, model_files):
    widget = new_widget()
    for path, words in ((model_files[0], model_files[0].name), (FLOAT, FLOAT_WORDS), (PACKED, PACKED_WORDS)):
        widget.onModelChosen(path)
        assert widget.ui.modelBox.currentText == words
    assert items(widget.ui.modelBox) == [PACKED_WORDS, FLOAT_WORDS, model_files[0].name]
    assert widget._segmentPanel.room.choice.model_path is None


def test_the_words_beside_the_prompts_are_those_of_the_model_that_answers(settings, person):
    person.press("positiveButton")
    assert person.ui.modelSection.text == "Model: packed 4-bit, 5.0 bits/weight"
    person.choose("modelBox", FLOAT_WORDS)
    assert person.ui.modelSection.text == "Model: float"
    person.choose("modelBox", PACKED_WORDS)
    assert person.ui.modelSection.text == "Model: packed 4-bit, 5.0 bits/weight"


def test_quantizing_is_offered_for_the_float_one(settings, tmp_path):
    from DFQSAMSlicerLib.model_panel import ModelPanel

    container = QtWidgets.QWidget()
    panel = ModelPanel(container, lambda path: None, tmp_path / "data")
    assert Path(panel.ui.checkpointEdit.text) == FLOAT
    offered = Path(panel.quantize.settings().output)
    assert offered == tmp_path / "data" / "models" / "sam-med2d_demo-w4a4.safetensors"
    lines = [panel.ui.libraryList.item(row).text() for row in range(panel.ui.libraryList.count)]
    assert lines == [f"{PACKED_WORDS} · 13.6 MB · packed model", f"{FLOAT_WORDS} · 25.9 MB · float checkpoint"]
    panel.cleanup()
    container.deleteLater()
