"""The panel asks how a checkpoint was trained, remembers it for that file, and offers what it was trained with."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from safetensors.numpy import save_file

from Testing.support.toy import random_tensors, toy_architecture

NOT_BOXES = ("positive", "negative", "scribble", "scribble_out", "lasso", "lasso_out")


@pytest.fixture
def sam_file(tmp_path):
    """A checkpoint of 1024-pixel images without adapters, as SAM's and MedSAM's."""
    architecture = replace(toy_architecture(adapter_dim=0), image_size=1024, patch_size=32)
    save_file(random_tensors(architecture, 0), tmp_path / "sam.safetensors")
    return tmp_path / "sam.safetensors"


def test_it_asks_and_boxes_alone_are_offered_for_medsam(person, sam_file, slicer_app, model_files):
    assert person.ui.conventionsBox.isHidden()
    person.press("positiveButton")
    person.panel.use_model(sam_file)
    person.wait()
    assert not person.ui.conventionsBox.isHidden()
    assert "files of SAM and of MedSAM have the same tensors" in person.message
    person.choose("conventionsBox", "Trained as MedSAM")
    assert person.workspace.model.conventions.name == "medsam"
    assert person.message.startswith("MedSAM was trained with boxes alone")
    for role in NOT_BOXES:
        button = getattr(person.ui, f"{role}Button")
        assert not button.isEnabled()
        assert "MedSAM was trained with boxes alone" in button.toolTip
    assert person.ui.boxButton.isEnabled()
    assert person.ui.roiButton.isEnabled()
    assert not person.ui.refineBox.isEnabled()
    assert slicer_app.userSettings().value("DFQSAMSlicer/ModelConventions") == f"medsam {sam_file}"
    person.panel.use_model(model_files[0])
    person.wait()
    assert person.ui.positiveButton.isEnabled()
    assert person.ui.conventionsBox.isHidden()
    assert not slicer_app.userSettings().value("DFQSAMSlicer/ModelConventions")


def test_what_was_said_is_known_when_slicer_starts_again(slicer_app, sam_file, person, new_widget, views):
    settings = slicer_app.userSettings()
    settings.setValue("DFQSAMSlicer/ModelFile", str(sam_file))
    settings.setValue("DFQSAMSlicer/ModelConventions", f"sam {sam_file}")
    from DFQSAMSlicerLib.segment_panel.model_choice import chosen_conventions, chosen_model

    assert (chosen_model(), chosen_conventions()) == (sam_file, "sam")
    again = type(person)(new_widget(), views)
    assert (again.panel.room.choice.model_path, again.panel.room.choice.conventions) == (sam_file, "sam")


def test_what_was_said_of_another_file_does_not_count(slicer_app, sam_file, person, new_widget, views):
    # As two Slicers leave the settings that they share: the file of one, what was said in the other.
    settings = slicer_app.userSettings()
    settings.setValue("DFQSAMSlicer/ModelFile", str(sam_file))
    settings.setValue("DFQSAMSlicer/ModelConventions", f"medsam {sam_file.with_name('other.pth')}")
    from DFQSAMSlicerLib.segment_panel.model_choice import chosen_conventions

    assert chosen_conventions() == ""
    again = type(person)(new_widget(), views)
    assert again.panel.room.choice.conventions == ""
