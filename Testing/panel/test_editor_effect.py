"""The Segment Editor effect's own file, run as Slicer runs it, with real Qt widgets on the editor's real node."""

from __future__ import annotations

import sys
import types
from functools import partial

import pytest

pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from dfqsam_scene.jobs.worker import Job
from Testing.support import finished
from Testing.support.prompts import ANYWHERE


@pytest.fixture
def editor(slicer_app, world, a_volume_node):
    from dfqsam_scene.nodes.segments import new_segmentation
    from Testing.support.segment_editor_host import SegmentEditorHost

    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    found = SegmentEditorHost(world.scene, node, a_volume_node)
    found.node.SetSelectedSegmentID("liver")
    return found


@pytest.fixture
def effect(editor, effect_class):
    from Testing.support.segment_editor_host import ScriptedEffect

    found = effect_class(ScriptedEffect(editor))
    found.setMRMLDefaults()
    found.setupOptionsFrame()
    found.updateGUIFromMRML()
    found.activate()
    settle(found)
    yield found
    found.deactivate()
    found.cleanup()


def settle(effect):
    """Let the effect's timer tick until nothing is worked on any more."""
    finished.settle(effect.prompting.worker, effect.onTick)


def draw_box(effect):
    from dfqsam_scene.nodes.volume_node import world_from_ijk

    effect.tools["box"].click()
    for corner in ((2, 2, 4), (12, 10, 4)):
        volume_node = effect.prompting.workspace.segments.volume_node
        effect.prompting.place_tool.place_mode.node.AddControlPointWorld(world_from_ijk(volume_node, corner).tolist())
    settle(effect)


def covered(effect):
    from dfqsam_core.volume import SliceKey

    return effect.prompting.workspace.segments.read("liver", SliceKey("K", 4))


def test_a_box_by_the_effects_button_segments_and_its_undo_button_takes_it_back(effect, editor):
    assert (effect.scriptedEffect.name, effect.scriptedEffect.perSegment) == ("SAM-Med2D", True)
    assert not effect.undo.isEnabled()
    draw_box(effect)
    assert covered(effect).any()
    assert effect.tools["box"].isChecked()
    assert effect.message.text == "Drag a box around the structure, or click two opposite corners, in one slice view."
    assert editor.saved_states == 1
    effect.undo.click()
    assert not covered(effect).any()
    effect.tools["box"].click()
    assert not effect.tools["box"].isChecked()
    assert effect.prompting.tool == ""


def test_it_carries_a_segment_to_its_marked_ends(effect, views, a_volume_node, monkeypatch):
    from dfqsam_core.volume import BoxPrompt, SliceKey
    from dfqsam_scene.nodes.slice_views import show_slice

    show_slice(a_volume_node, SliceKey("K", 4))
    effect.tools["box"].click()
    settle(effect)
    controller = effect.prompting.workspace.controller
    controller.add_prompt("liver", BoxPrompt((2, 2, 4), (12, 10, 4)))
    settle(effect)
    monkeypatch.setattr(controller, "propagate", partial(controller.propagate, config=ANYWHERE))
    for index, button in ((3, effect.starts), (6, effect.ends)):
        show_slice(a_volume_node, SliceKey("K", index))
        effect.onTick()
        button.click()
    assert (effect.starts.text, effect.ends.text) == ("Starts: 4", "Ends: 7")
    assert not effect.nextPrompt.isEnabled()
    effect.propagate.click()
    settle(effect)
    segments = effect.prompting.workspace.segments
    assert [k for k in range(9) if segments.read("liver", SliceKey("K", k)).any()] == [3, 4, 5, 6]
    effect.nextPrompt.click()
    effect.onTick()
    assert effect.prompting.key == controller.next_prompt[1]


def test_a_click_brings_the_effects_next_tick_at_once(effect):
    assert effect._timer.interval == 30
    effect.prompting.worker.submit(Job(lambda _: None))
    assert effect._timer.interval == 5
    settle(effect)
    effect.onTick()
    assert effect._timer.interval == 30


def test_it_has_a_button_for_each_tool_and_a_scribble_is_the_editors_one_undo(effect, editor):
    from dfqsam_core.volume import ScribblePrompt, SliceKey
    from dfqsam_scene.nodes.roles import ROLES
    from dfqsam_scene.nodes.volume_node import world_from_ijk

    assert list(effect.tools) == list(ROLES)
    effect.tools["scribble"].click()
    workspace = effect.prompting.workspace
    node = effect.prompting.place_tool.place_mode.node
    was_modifying = node.StartModify()
    for ijk in ((4, 5, 4), (7, 4, 4), (10, 5, 4)):
        node.AddControlPointWorld(world_from_ijk(workspace.segments.volume_node, ijk).tolist())
    node.EndModify(was_modifying)
    settle(effect)
    assert workspace.prompts_on(SliceKey("K", 4)) == (ScribblePrompt(((4, 5, 4), (7, 4, 4), (10, 5, 4))),)
    assert covered(effect).any()
    assert editor.saved_states == 1


def test_with_a_preview_nothing_is_written_before_it_is_accepted(effect):
    effect.autoAccept.setChecked(False)
    effect.onTick()
    draw_box(effect)
    assert effect.accept.isEnabled()
    assert not covered(effect).any()
    effect.accept.click()
    assert covered(effect).any()
    assert not effect.accept.isEnabled()


def test_the_switches_are_kept_in_the_editors_node(effect, editor):
    assert effect.protect.isChecked()
    effect.protect.setChecked(False)
    assert editor.node.GetAttribute("SAM-Med2D.ProtectOthers") == "0"
    assert not effect.prompting.choice.protect_others
    editor.node.SetAttribute("SAM-Med2D.ProtectOthers", "1")
    effect.updateGUIFromMRML()
    assert effect.protect.isChecked()
    assert effect.prompting.choice.protect_others


def test_placing_does_not_end_the_effect_and_leaving_it_ends_placing(effect, world):
    interaction = world.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    effect.tools["positive"].click()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    # Overridden, as the editor's own reaction is to deactivate the effect.
    assert "interactionNodeModified" in vars(type(effect))
    effect.interactionNodeModified(interaction)
    assert effect.prompting.is_active
    effect.deactivate()
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


def test_missing_packages_are_a_sentence_and_nothing_is_loaded(editor, effect_class, monkeypatch):
    from DFQSAMSlicerLib import dependencies

    from Testing.support.segment_editor_host import ScriptedEffect

    monkeypatch.setattr(dependencies, "missing", lambda: ("onnxruntime",))
    found = effect_class(ScriptedEffect(editor))
    found.setMRMLDefaults()
    found.setupOptionsFrame()
    found.activate()
    assert "press Install" in found.message.text
    assert found.prompting is None
    found.onVerb("box")
    found.deactivate()
    found.cleanup()


def test_slicer_is_told_of_the_effect_once_by_its_file(effect_class, monkeypatch):
    from DFQSAMSlicerLib.editor_effect_registration import SOURCE, register_editor_effect

    calls = []

    class Adaptor:
        def __init__(self, parent):
            calls.append(parent)

        def setPythonSource(self, path):
            calls.append(path)

        def self(self):
            return types.SimpleNamespace(register=lambda: calls.append("registered"))

    effects = types.ModuleType("qSlicerSegmentationsEditorEffectsPythonQt")
    effects.qSlicerSegmentEditorScriptedEffect = Adaptor
    monkeypatch.setitem(sys.modules, effects.__name__, effects)
    register_editor_effect()
    assert calls == [None, SOURCE.as_posix(), "registered"]
    assert SOURCE.parent.name not in ("DFQSAMSlicerLib", "DFQSAMSlicer")


def test_slices_around_the_present_one_are_encoded_ahead(effect, views, a_volume_node):
    from dfqsam_core.volume import SliceKey
    from dfqsam_scene.nodes.slice_views import show_slice

    show_slice(a_volume_node, SliceKey("K", 4))
    effect.deactivate()
    effect.activate()
    settle(effect)
    assert effect.prompting.key == SliceKey("K", 4)
    assert effect.prompting.worker.wait(finished.PATIENCE_SECONDS, ahead_too=True)
    assert effect.prompting.workspace.session.slices.encodings > 1


def test_it_says_what_the_panel_says(effect, person):
    person.ui.segmentationSelector.setCurrentNode(effect.prompting.choice.segmentation_node)
    for role in ("positive", "negative", "box"):
        effect.tools[role].click()
        settle(effect)
        advice = effect.message.text
        assert advice
        person.press(f"{role}Button")
        assert person.message == advice


def test_a_click_that_takes_away_all_of_a_loaded_slice_says_so(effect):
    import numpy as np

    from dfqsam_core.volume import PointPrompt, SliceKey

    segments, key = effect.prompting.workspace.segments, SliceKey("K", 4)
    loaded = np.zeros_like(segments.read("liver", key))
    loaded[5, 7] = True
    segments.restore("liver", key, loaded)
    effect.prompting.workspace.controller.add_prompt("liver", PointPrompt((7, 5, 4), positive=False))
    settle(effect)
    assert not segments.read("liver", key).any()
    assert effect.message.text.startswith("The prompt on axial slice 5 took away all that the segment had there")


def test_after_cleanup_its_buttons_reach_nothing_any_more(effect, editor):
    effect.deactivate()
    effect.cleanup()
    before = editor.node.GetAttribute("SAM-Med2D.ProtectOthers")
    effect.protect.setChecked(not effect.protect.isChecked())
    assert editor.node.GetAttribute("SAM-Med2D.ProtectOthers") == before
    for widget in (*effect.tools.values(), effect.accept, effect.discard, effect.undo, effect.protect):
        assert not widget.__dict__["_by_name"]
