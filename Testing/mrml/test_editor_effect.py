"""The Segment Editor effect on the editor's real node and logic, with a tiny model, without Qt."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer

from dfqsam_core.errors import ModelFileError
from dfqsam_core.volume import BoxPrompt, SliceKey
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node, world_from_ijk
from dfqsam_scene.prompting.editor_effect import EditorHost, EditorPrompting
from dfqsam_scene.prompting.verbs import Verbs
from Testing.support.finished import settle
from Testing.support.segment_editor_host import SegmentEditorHost

K4 = SliceKey("K", 4)
LOW, HIGH = (2, 2, 4), (12, 10, 4)


@pytest.fixture
def editor(world, a_volume_node):
    """A Segment Editor, not that of Slicer's module, with two segments, the first one selected."""
    node = new_segmentation(a_volume_node, "Organs")
    found = SegmentEditorHost(world.scene, node, a_volume_node)
    for name in ("liver", "spleen"):
        node.GetSegmentation().AddEmptySegment(name, name)
    found.node.SetSelectedSegmentID("liver")
    return found


@pytest.fixture
def prompting(editor, model_file):
    found = EditorPrompting(EditorHost(editor.node, editor.save_state, lambda: model_file))
    found.activate()
    settle(found.worker, found.tick)
    assert found.sentence == ("Choose a tool, then click in a slice view.", False)
    yield found
    found.close()


def choose_tool(prompting, role):
    Verbs(prompting).choose_tool(role)


def box(prompting, low=LOW, high=HIGH):
    """Draw a box with the mouse mode that the effect began."""
    choose_tool(prompting, "box")
    for corner in (low, high):
        volume_node = prompting.workspace.segments.volume_node
        prompting.place_tool.place_mode.node.AddControlPointWorld(world_from_ijk(volume_node, corner).tolist())
    settle(prompting.worker, prompting.tick)


def mask(prompting, segment_id, key=K4):
    return prompting.workspace.segments.read(segment_id, key)


def test_a_box_segments_the_selected_segment_and_the_editors_undo_and_redo_hold(prompting, editor):
    box(prompting)
    assert prompting.sentence == (
        "Drag a box around the structure, or click two opposite corners, in one slice view.",
        False,
    )
    found = mask(prompting, "liver")
    assert found.any()
    assert not mask(prompting, "spleen").any()
    assert prompting.workspace.controller.all_prompts() == {("liver", K4): (BoxPrompt(LOW, HIGH),)}
    assert editor.saved_states == 1
    editor.logic.Undo()
    assert not mask(prompting, "liver").any()
    editor.logic.Redo()
    np.testing.assert_array_equal(mask(prompting, "liver"), found)


def test_the_effect_goes_on_with_the_segment_that_is_selected_next_and_keeps_the_first(prompting, editor):
    box(prompting)
    liver = mask(prompting, "liver")
    editor.node.SetSelectedSegmentID("spleen")
    prompting.tick()
    box(prompting, (0, 0, 4), (13, 11, 4))
    np.testing.assert_array_equal(mask(prompting, "liver"), liver)
    spleen = mask(prompting, "spleen")
    assert not (spleen & liver).any()
    prompting.workspace.controller.undo()
    assert not mask(prompting, "spleen").any()
    np.testing.assert_array_equal(mask(prompting, "liver"), liver)
    assert editor.saved_states == 3


def test_masking_of_this_editor_holds_and_that_of_slicers_module_does_not(prompting, editor, world, a_volume_node):
    module = slicer.vtkMRMLSegmentEditorNode()
    module.SetSingletonTag("SegmentEditor")
    module = world.scene.AddNode(module)
    module.SourceVolumeIntensityMaskOn()
    module.SetSourceVolumeIntensityMaskRange(1e5, 1e6)
    editor.node.SourceVolumeIntensityMaskOn()
    editor.node.SetSourceVolumeIntensityMaskRange(0, 1e6)
    box(prompting)
    found = mask(prompting, "liver")
    assert found.any()
    assert (read_volume_node(a_volume_node).voxels_kji[4][found] >= 0).all()


def test_without_protection_the_editors_overwrite_mode_decides(prompting, editor):
    box(prompting)
    editor.node.SetSelectedSegmentID("spleen")
    editor.node.SetOverwriteMode(editor.node.OverwriteAllSegments)
    prompting.choose(protect_others=False)
    prompting.tick()
    box(prompting)
    assert mask(prompting, "spleen").any()
    assert not mask(prompting, "liver").any()


def test_another_effect_takes_the_mouse_back_and_the_prompts_are_there_again_afterwards(prompting, editor, world):
    interaction = world.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    box(prompting)
    before = mask(prompting, "liver")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    prompting.deactivate()
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    assert (prompting.workspace, prompting.is_active) == (None, False)
    prompting.activate()
    settle(prompting.worker, prompting.tick)
    assert prompting.workspace.controller.all_prompts() == {("liver", K4): (BoxPrompt(LOW, HIGH),)}
    np.testing.assert_array_equal(mask(prompting, "liver"), before)


def test_escape_puts_the_tool_down(prompting, world):
    choose_tool(prompting, "positive")
    interaction = world.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    assert prompting.tool == ""
    prompting.tick()
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


def test_bad_states_are_sentences(prompting, editor, world):
    choose_tool(prompting, "positive")
    editor.node.SetSelectedSegmentID(None)
    prompting.tick()
    prompting.place_tool.place_mode.node.AddControlPointWorld([0.0, 0.0, 0.0])
    settle(prompting.worker, prompting.tick)
    assert prompting.sentence[1]
    world.scene.RemoveNode(editor.node.GetSegmentationNode())
    prompting.tick()
    assert prompting.workspace is None
    assert "segmentation" in prompting.sentence[0]
    editor.node.SetAndObserveSourceVolumeNode(world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
    editor.node.SetAndObserveSegmentationNode(world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
    settle(prompting.worker, prompting.tick)
    assert prompting.sentence == ("The volume 'Empty' is empty. Choose another one.", True)
    world.scene.Clear(0)
    prompting.tick()
    assert prompting.workspace is None


def test_without_a_model_the_effect_says_so(editor):
    def no_model():
        raise ModelFileError("The model is not in this copy.")

    prompting = EditorPrompting(EditorHost(editor.node, editor.save_state, no_model))
    prompting.activate()
    assert prompting.sentence == ("The model is not in this copy.", True)
    choose_tool(prompting, "box")
    prompting.tick()
    prompting.close()


@pytest.mark.parametrize("end", ["another tool", "escape"])
def test_a_corner_that_nobody_finishes_is_forgotten(prompting, a_volume_node, end):
    choose_tool(prompting, "box")
    corners = prompting.workspace.markups.nodes["box"]
    corners.AddControlPointWorld(world_from_ijk(a_volume_node, LOW).tolist())
    choose_tool(prompting, "positive") if end == "another tool" else prompting.place_tool.place_mode.end()
    assert corners.GetNumberOfControlPoints() == 0
