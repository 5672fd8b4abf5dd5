"""Bad states at the panel: each gives a sentence, loses nothing, and raises nothing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

import slicer

from dfqsam_core.volume import PointPrompt, SliceKey
from Testing.support.segmentations import save_and_reload, voxels_of

from .conftest import Person

K4 = SliceKey("K", 4)
POINT = PointPrompt((7, 5, 4))


@pytest.fixture
def prompted(person):
    """A person who has drawn something."""
    person.ui.autoAcceptBox.setChecked(True)
    person.press("positiveButton")
    person.click(POINT.ijk)
    assert drawn(person).any()
    return person


def drawn(person):
    return person.workspace.segments.read(person.workspace.segment_id, K4)


def test_building_the_panel_loads_and_adds_nothing(new_widget, world, views, a_volume_node, monkeypatch):
    monkeypatch.setattr("dfqsam_core.load_model", lambda *_: pytest.fail("a model was loaded"))
    before = world.scene.GetNumberOfNodes()
    widget = new_widget()
    widget.onTick()
    # The parameter node is Slicer's own custom.
    assert world.scene.GetNumberOfNodes() == before + 1
    assert "Choose a volume" in widget.ui.messageLabel.text
    assert not widget.ui.positiveButton.isEnabled()


def test_without_packages_the_panel_explains_itself_and_installs_on_request(new_widget, monkeypatch):
    from DFQSAMSlicerLib import dependencies

    missing = [dependencies.Requirement("onnxruntime>=1.19", "runs the model", None)]
    monkeypatch.setattr(dependencies, "missing", lambda: tuple(missing))
    monkeypatch.setattr(dependencies, "ensure", lambda confirm: missing.clear())
    widget = new_widget()
    widget.enter()
    widget.onTick()
    assert "onnxruntime>=1.19: runs the model" in widget.ui.installLabel.text
    assert not widget.ui.installFrame.isHidden()
    assert not widget.ui.promptSection.isEnabled()
    widget.ui.installButton.click()
    widget.onTick()
    assert widget.ui.installFrame.isHidden()
    assert widget.ui.promptSection.isEnabled()


def test_no_volume(new_widget, views):
    person = Person(new_widget(), views)
    assert "Choose a volume" in person.message
    person.key("positive")
    person.key("undo")
    assert person.ui.segmentationSelector.currentNode() is None


def test_a_volume_with_several_values_per_voxel_is_refused(person, world):
    node = world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Perfusion")
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(4, 3)
    node.SetAndObserveImageData(image)
    person.ui.volumeSelector.setCurrentNode(node)
    person.wait()
    person.press("positiveButton")
    assert "3 values per voxel" in person.message


def test_an_empty_volume_is_refused(person, world):
    person.ui.volumeSelector.setCurrentNode(world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing"))
    person.wait()
    person.press("positiveButton")
    assert "is empty" in person.message


def test_a_volume_removed_during_a_job_leaves_what_was_written(prompted, world, a_volume_node):
    segmentation, segment_id = prompted.workspace.segments.node, prompted.workspace.segment_id
    before = voxels_of(segmentation, segment_id)
    prompted.place((7, 5, 6))
    assert prompted.workspace.controller.is_busy
    world.scene.RemoveNode(a_volume_node)
    prompted.wait()
    assert "volume was removed" in prompted.message
    assert before
    assert voxels_of(segmentation, segment_id) == before
    assert not prompted.ui.positiveButton.isEnabled()


def test_a_model_stays_in_use_when_its_file_is_removed(person, model_files, tmp_path):
    copy = tmp_path / "mine.safetensors"
    shutil.copy(model_files[0], copy)
    person.widget.onModelChosen(copy)
    person.press("positiveButton")
    copy.unlink()
    person.click(POINT.ijk)
    assert drawn(person).any()
    person.choose("windowBox", "bone")
    assert person.workspace.window.width == 1800


def test_a_model_that_is_gone_or_broken_is_told_and_the_present_one_stays(prompted, tmp_path):
    before, digest = drawn(prompted), prompted.workspace.model.digest
    prompted.widget.onModelChosen(tmp_path / "gone.safetensors")
    prompted.wait()
    assert "gone.safetensors does not exist" in prompted.message
    (tmp_path / "broken.safetensors").write_bytes(b"no model at all")
    prompted.widget.onModelChosen(tmp_path / "broken.safetensors")
    prompted.wait()
    assert "broken.safetensors" in prompted.message
    assert prompted.workspace.model.digest == digest
    np.testing.assert_array_equal(drawn(prompted), before)


def test_a_renamed_segmentation_and_segment_are_followed(prompted):
    segmentation = prompted.workspace.segments.node
    segmentation.SetName("Renamed")
    segmentation.GetSegmentation().GetSegment(prompted.workspace.segment_id).SetName("spleen")
    prompted.wait()
    assert prompted.segments == ["spleen"]
    assert prompted.ui.promptTable.item(0, 0).text() == "spleen"
    prompted.press("undoButton")
    assert not drawn(prompted).any()


def test_a_removed_segmentation_is_told_and_a_tool_begins_a_new_one(prompted, world):
    world.scene.RemoveNode(prompted.workspace.segments.node)
    prompted.wait()
    assert "segmentation was removed" in prompted.message
    prompted.panel.room.place_tool.choose(None)
    prompted.press("positiveButton")
    prompted.click(POINT.ijk)
    assert drawn(prompted).any()


def test_a_removed_segment_takes_its_prompts_along(prompted):
    workspace, removed = prompted.workspace, prompted.workspace.segment_id
    workspace.segments.node.GetSegmentation().RemoveSegment(removed)
    prompted.wait()
    assert prompted.ui.promptTable.rowCount == 0
    assert workspace.markups.nodes["positive"].GetNumberOfControlPoints() == 0
    prompted.click(POINT.ijk)
    assert "No segment is chosen" in prompted.message
    prompted.press("addSegmentButton")
    prompted.click(POINT.ijk)
    assert drawn(prompted).any()


def test_going_to_another_segmentation_and_back_continues(prompted, a_volume_node):
    from dfqsam_scene.nodes.segments import new_segmentation

    first, before = prompted.workspace.segments.node, drawn(prompted)
    prompted.ui.segmentationSelector.setCurrentNode(new_segmentation(a_volume_node, "Other"))
    prompted.wait()
    assert prompted.ui.promptTable.rowCount == 0
    prompted.ui.segmentationSelector.setCurrentNode(first)
    prompted.wait()
    assert prompted.workspace.prompts_on(K4) == (POINT,)
    np.testing.assert_array_equal(drawn(prompted), before)


def test_of_two_panels_the_one_that_took_a_tool_last_prompts(prompted, new_widget, views):
    other = Person(new_widget(), views)
    other.press("positiveButton")
    prompted.wait()
    assert prompted.workspace is None
    assert "another panel" in prompted.message
    assert other.workspace.prompts_on(K4) == (POINT,)
    other.click((3, 5, 4))
    assert len(other.workspace.prompts_on(K4)) == 2
    prompted.press("positiveButton")
    other.wait()
    assert other.workspace is None
    assert len(prompted.workspace.prompts_on(K4)) == 2


def test_closing_the_scene_empties_the_panel(prompted, world):
    prompted.place((7, 5, 6))
    assert prompted.workspace.controller.is_busy
    world.scene.Clear(0)
    prompted.wait()
    assert "Choose a volume" in prompted.message
    assert prompted.ui.promptTable.rowCount == 0
    assert prompted.workspace is None


def test_a_saved_scene_continues_where_it_was(prompted, world, tmp_path):
    before = drawn(prompted)
    save_and_reload(world, prompted.workspace.segments, tmp_path / "scene")
    prompted.wait()
    assert prompted.ui.volumeSelector.currentNode().GetName() == "CT"
    assert prompted.ui.promptTable.rowCount == 1
    np.testing.assert_array_equal(drawn(prompted), before)


def test_after_cleanup_nothing_listens(prompted, world, a_volume_node):
    observed = prompted.workspace.markups.nodes["positive"]
    before = observed.GetNumberOfControlPoints()
    prompted.widget.cleanup()
    # Who listens takes a point that is outside the volume away again.
    observed.AddControlPointWorld([0.0, 0.0, 0.0])
    a_volume_node.Modified()
    assert observed.GetNumberOfControlPoints() == before + 1
    assert prompted.workspace is None
    assert not prompted.widget._timer.isActive()


def test_the_model_tab_is_built_when_it_is_looked_at_and_its_model_is_used(person, model_files, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert person.widget._modelPanel is None
    person.ui.modeTabs.setCurrentIndex(1)
    person.wait()
    assert person.ui.modelPanelContainer.children()
    person.widget._modelPanel._chosen(model_files[1])
    assert person.ui.modeTabs.currentIndex == 0
    assert person.ui.modelBox.currentText == model_files[1].name
