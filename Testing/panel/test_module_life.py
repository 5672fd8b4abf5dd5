"""The module in Slicer's hands: shown, reloaded, given scenes and volumes, installed; one test for each fault found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

import slicer

from dfqsam_scene.jobs.resting import BEGIN_SECONDS
from dfqsam_scene.jobs.worker import Job


def shown(new_widget):
    """The module's Widget in a module that is shown."""
    widget = new_widget()
    widget.parent.enter()
    widget.onTick()
    return widget


def second_volume(world, phantom_file):
    return world.read_volume(phantom_file, "CT 2")


def test_the_first_volume_is_chosen_when_the_module_is_shown(new_widget, views, a_volume_node, world, phantom_file):
    second_volume(world, phantom_file)
    widget = new_widget()
    assert widget.ui.volumeSelector.currentNode() is None
    widget.parent.enter()
    assert widget.ui.volumeSelector.currentNode() is a_volume_node


def test_a_chosen_volume_stays_when_the_module_is_shown_again(person, world, phantom_file):
    second = second_volume(world, phantom_file)
    person.ui.volumeSelector.setCurrentNode(second)
    person.wait()
    person.widget.exit()
    person.widget.enter()
    person.wait()
    assert person.ui.volumeSelector.currentNode() is second


def test_label_maps_and_hidden_volumes_are_not_chosen(new_widget, views, world):
    world.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    hidden = world.scene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    hidden.UnRegister(None)
    hidden.SetHideFromEditors(True)
    world.scene.AddNode(hidden)
    widget = shown(new_widget)
    assert widget.ui.volumeSelector.currentNode() is None


def test_the_first_volume_that_comes_while_the_module_is_shown_is_chosen_and_none_stays_none(
    new_widget, views, world, phantom_file
):
    widget = shown(new_widget)
    first = second_volume(world, phantom_file)
    widget.onTick()
    assert widget.ui.volumeSelector.currentNode() is first
    widget.ui.volumeSelector.setCurrentNode(None)
    widget.onTick()
    world.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Elsewhere")
    widget.onTick()
    assert widget.ui.volumeSelector.currentNode() is None


def test_reload_leaves_a_panel_that_works(person):
    before = person.widget
    before.parent.enter()
    slicer.util.reloadScriptedModule("DFQSAMSlicer")
    person.widget = slicer.modules.DFQSAMSlicerWidget
    person.ui = person.widget.ui
    assert person.widget is not before
    assert not before._timer.isActive()
    assert person.panel.shortcuts.by_name["positive"].enabled
    person.wait()
    person.press("positiveButton")
    person.click((7, 5, 4))
    assert person.workspace.prompts()


def test_reload_of_a_module_that_is_not_shown_leaves_the_keys_alone(new_widget, views):
    new_widget()
    slicer.util.reloadScriptedModule("DFQSAMSlicer")
    shortcuts = slicer.modules.DFQSAMSlicerWidget._segmentPanel.shortcuts
    assert not any(shortcut.enabled for shortcut in shortcuts.by_name.values())


def test_the_question_before_installing_does_not_come_under_an_hour_glass(new_widget, slicer_app, monkeypatch):
    from DFQSAMSlicerLib import dependencies

    missing = (dependencies.Requirement("onnxruntime>=1.19", "runs the model", None),)
    monkeypatch.setattr(dependencies, "missing", lambda *_: missing)
    cursors = []

    def ask(text):
        cursors.append(list(slicer_app.cursors))
        return False

    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", ask)
    widget = new_widget()
    widget.enter()
    widget.ui.installButton.click()
    assert cursors == [[]]
    assert slicer_app.cursors == []


def test_nor_does_the_model_panels_question(person, slicer_app, monkeypatch, tmp_path):
    from DFQSAMSlicerLib import dependencies, torch_dependency

    missing = (dependencies.Requirement("segment-anything>=1.0", "decodes", None),)
    monkeypatch.setattr(torch_dependency, "missing", lambda: missing)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    cursors = []

    def ask(text):
        cursors.append(list(slicer_app.cursors))
        return False

    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", ask)
    person.ui.modeTabs.setCurrentIndex(1)
    person.wait()
    person.widget._modelPanel.ui.installQuantizeButton.click()
    assert cursors == [[]]


def test_sample_and_effect_are_offered_when_all_modules_are_there(slicer_app, world, monkeypatch):
    import DFQSAMSlicer

    offered = []
    monkeypatch.setattr(DFQSAMSlicer, "_offer_sample_data", lambda: offered.append("sample"))
    monkeypatch.setattr(DFQSAMSlicer, "_offer_editor_effect", lambda: offered.append("effect"))
    parent = ModuleParent()
    module = DFQSAMSlicer.DFQSAMSlicer(parent)
    assert offered == []
    slicer_app.startupCompleted.emit()
    assert offered == ["sample", "effect"]
    assert module.parent is parent
    assert parent.categories == ["Segmentation"]
    assert f'<a href="{DFQSAMSlicer.HELP_ADDRESS}">' in parent.helpText


class ModuleParent:
    """What Slicer describes a module by."""

    path = str(Path(__file__).resolve().parents[2] / "DFQSAMSlicer" / "DFQSAMSlicer.py")


def test_a_scene_that_is_added_to_the_present_one_brings_its_choices(person, world, tmp_path, phantom_file):
    shutil.copy(phantom_file, tmp_path / "ct.nrrd")
    person.ui.volumeSelector.setCurrentNode(None)
    person.wait()
    assert person.widget._parameters.volume is None
    node = world.read_volume(tmp_path / "ct.nrrd", "From a file")
    person.ui.volumeSelector.setCurrentNode(node)
    person.wait()
    world.scene.SetRootDirectory(str(tmp_path))
    world.scene.SetURL(str(tmp_path / "scene.mrml"))
    assert world.scene.Commit()
    for left in [world.scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in (1, 0)]:
        world.scene.RemoveNode(left)
    person.wait()
    assert person.widget._parameters.volume is None
    world.scene.Import()
    person.wait()
    assert person.widget._parameters.volume.GetName() == "From a file"
    assert person.ui.volumeSelector.currentNode() is person.widget._parameters.volume


def test_a_panel_that_was_cleaned_up_hears_of_no_volume(new_widget, world, phantom_file):
    widget = new_widget()
    widget.parent.enter()
    widget.cleanup()
    second_volume(world, phantom_file)
    assert not widget._hasNewVolume


def test_ticks_come_often_while_something_is_worked_on(person, monkeypatch):
    person.widget.onTick()
    assert person.widget._timer.interval == 30
    monkeypatch.setattr(person.panel, "tick", lambda: True)
    person.widget.onTick()
    assert person.widget._timer.interval == 5
    monkeypatch.setattr(person.panel, "tick", lambda: False)
    person.widget.onTick()
    assert person.widget._timer.interval == 30


def test_work_that_begins_brings_the_next_tick_at_once(person, monkeypatch):
    # A click in a tick of 30 ms waited for it, and its thread got nothing meanwhile.
    person.widget.onTick()
    assert person.widget._timer.interval == 30
    person.panel.worker.submit(Job(lambda _: None, is_ahead=True))
    assert person.widget._timer.interval == 30
    rests, rest = [], person.panel.worker.rest
    monkeypatch.setattr(person.panel.worker, "rest", lambda *seconds: (rests.append(seconds), rest(*seconds)))
    person.panel.worker.submit(Job(lambda _: None))
    assert person.widget._timer.interval == 5
    # The thread begins before the event loop has the lock again.
    assert rests == [(BEGIN_SECONDS,)]
    person.wait()
    assert person.widget._timer.interval == 30


@pytest.mark.parametrize("is_busy", [True, False])
def test_two_panels_with_work_share_one_rest_in_a_tick(is_busy):
    from DFQSAMSlicerLib.ticks import tick_panels

    rested = []

    class Segment:
        class room:
            is_working = is_busy

        def tick(self):
            return is_busy

    class Model:
        def tick(self, has_rested):
            rested.append(has_rested)
            return True

    assert tick_panels(Segment(), Model())
    assert tick_panels(None, Model())
    assert rested == [is_busy, False]
    assert tick_panels(Segment(), None) == is_busy
