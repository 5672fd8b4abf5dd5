"""Control points in, segments out: all parts together on the real scene, with a model that can be checked by eye."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, WindowLevel
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import SceneError, read_volume_node, world_from_ijk
from dfqsam_scene.prompting.choice import Choice
from dfqsam_scene.prompting.window_texts import window_of
from dfqsam_scene.prompting.workspace import Workspace
from dfqsam_scene.prompting.workspace_loader import WorkspaceLoader
from Testing.support.finished import settle
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.segmentations import save_and_reload

K4 = SliceKey("K", 4)


def open_workspace(volume_node, segmentation_node, worker, model=MODEL):
    return Workspace(volume_node, segmentation_node, model, worker, WindowLevel(600, 200), predictor=GreyPredictor())


@pytest.fixture
def workspace(a_volume_node, worker):
    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("", "liver")
    found = open_workspace(a_volume_node, node, worker)
    found.segment_id = found.segments.segment_ids[0]
    return found


def click(workspace, worker, role, *places_ijk):
    for ijk in places_ijk:
        position = world_from_ijk(workspace.segments.volume_node, ijk).tolist()
        workspace.markups.nodes[role].AddControlPointWorld(position)
    settle(worker, workspace.controller.deliver)


def points(workspace, role):
    return workspace.markups.nodes[role].GetNumberOfControlPoints()


def test_placed_points_and_boxes_segment_and_undo_takes_their_markups_back(workspace, worker):
    click(workspace, worker, "positive", (7.2, 5.1, 4.3))
    one_click = workspace.segments.read(workspace.segment_id, K4)
    assert one_click.any()
    click(workspace, worker, "box", (2, 2, 4), (9, 8, 4))
    click(workspace, worker, "negative", (3, 3, 4))
    assert workspace.prompts_on(K4) == (
        PointPrompt((7, 5, 4)),
        BoxPrompt((2, 2, 4), (9, 8, 4)),
        PointPrompt((3, 3, 4), positive=False),
    )
    assert (points(workspace, "positive"), points(workspace, "negative")) == (1, 1)
    workspace.controller.undo()
    assert (points(workspace, "positive"), points(workspace, "negative")) == (1, 0)
    workspace.controller.undo()
    np.testing.assert_array_equal(workspace.segments.read(workspace.segment_id, K4), one_click)
    workspace.controller.undo()
    assert points(workspace, "positive") == 0
    assert not workspace.segments.read(workspace.segment_id, K4).any()
    workspace.controller.redo()
    assert points(workspace, "positive") == 1


def test_removing_the_control_point_takes_its_mask_back(workspace, worker):
    click(workspace, worker, "positive", (7, 5, 4))
    workspace.markups.nodes["positive"].RemoveNthControlPoint(0)
    settle(worker, workspace.controller.deliver)
    assert not workspace.segments.read(workspace.segment_id, K4).any()
    assert workspace.prompts_on(K4) == ()


def test_without_a_chosen_segment_the_panel_says_so(workspace, worker):
    workspace.segment_id = None
    click(workspace, worker, "positive", (7, 5, 4))
    assert "No segment is chosen" in workspace.controller.message
    assert points(workspace, "positive") == 0


def test_a_preview_is_visible_in_a_node_of_its_own_and_gone_when_accepted(workspace, worker, world):
    workspace.controller.auto_accept = False
    click(workspace, worker, "positive", (7, 5, 4))
    preview = world.scene.GetFirstNodeByName("DFQSAMSlicer preview")
    assert not workspace.segments.read(workspace.segment_id, K4).any()
    assert preview.GetHideFromEditors()
    assert not preview.GetSaveWithScene()
    assert preview.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap").GetScalarRange()[1] == 1
    shown = workspace.controller.preview.prediction.mask
    workspace.controller.accept_preview()
    np.testing.assert_array_equal(workspace.segments.read(workspace.segment_id, K4), shown)
    assert preview.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap").GetScalarRange()[1] == 0
    workspace.close()
    assert preview.GetScene() is None


def test_after_save_close_and_load_prompts_and_candidates_are_there_again(workspace, worker, world, tmp_path):
    click(workspace, worker, "positive", (7, 5, 4), (7, 5, 5))
    before = workspace.segments.read(workspace.segment_id, K4)
    nodes = save_and_reload(world, workspace.segments, tmp_path / "scene")
    again = open_workspace(*nodes, worker)
    again.segment_id = again.segments.segment_ids[0]
    assert again.notice == ""
    assert again.prompts_on(K4) == (PointPrompt((7, 5, 4)),)
    assert points(again, "positive") == 2
    np.testing.assert_array_equal(again.segments.read(again.segment_id, K4), before)
    again.controller.choose_candidate(again.segment_id, K4, 2)
    assert again.segments.read(again.segment_id, K4).all()


def test_a_session_of_another_model_is_told_and_what_it_drew_stays(workspace, worker, world):
    click(workspace, worker, "positive", (7, 5, 4))
    before = workspace.segments.read(workspace.segment_id, K4)
    world.scene.StartState(world.scene.SaveState)
    world.scene.EndState(world.scene.SaveState)
    workspace.close()
    again = open_workspace(
        workspace.segments.volume_node, workspace.segments.node, worker, type(MODEL)(digest="1" * 64)
    )
    again.segment_id = again.segments.segment_ids[0]
    assert "another model" in again.notice
    assert again.prompts_on(K4) == (PointPrompt((7, 5, 4)),)
    assert points(again, "positive") == 1
    click(again, worker, "box", (0, 0, 4), (2, 2, 4))
    assert not again.controller.is_error
    assert again.segments.read(again.segment_id, K4)[before].all()


def test_closing_the_scene_closes_the_workspace_without_an_error(workspace, worker, world):
    click(workspace, worker, "positive", (7, 5, 4))
    world.scene.Clear(0)
    assert not workspace.is_open
    workspace.controller.deliver()
    workspace.close()


def test_two_workspaces_on_one_volume_keep_to_their_segmentations(workspace, worker, a_volume_node):
    workspace.close()
    other = open_workspace(a_volume_node, new_segmentation(a_volume_node, "Other"), worker)
    other.segment_id = other.segments.add_segment("spleen")
    click(other, worker, "positive", (7, 5, 4))
    assert other.segments.read(other.segment_id, K4).any()
    assert not workspace.segments.read(workspace.segment_id, K4).any()


def test_nodes_that_cannot_be_segmented_are_refused(a_volume_node, worker):
    with pytest.raises(SceneError, match="There is no segmentation"):
        open_workspace(a_volume_node, None, worker)
    with pytest.raises(SceneError, match="There is no volume"):
        open_workspace(None, new_segmentation(a_volume_node, "Organs"), worker)


def test_one_that_could_not_be_opened_is_not_in_the_way_of_the_next(a_volume_node, worker, model_file):
    node = new_segmentation(a_volume_node, "Organs")
    loader = WorkspaceLoader(worker, lambda: None)
    loader.choose(Choice(a_volume_node, node, model_file, "nonsense"))
    settle(worker, worker.deliver)
    assert loader.workspace is None
    assert "Unknown window 'nonsense'" in loader.message
    loader.choose(Choice(a_volume_node, node, model_file, "600,200"))
    settle(worker, worker.deliver)
    assert loader.message == ""
    assert loader.workspace.is_open
    loader.close()


def test_the_automatic_window_is_found_once_and_in_the_workers_thread(
    a_volume_node, worker, model_file, tmp_path, monkeypatch
):
    threads = []

    def noted(text, volume):
        threads.append((text, threading.current_thread()))
        return window_of(text, volume)

    monkeypatch.setattr("dfqsam_scene.prompting.workspace_loader.window_of", noted)
    node = new_segmentation(a_volume_node, "Organs")
    other = Path(shutil.copy(model_file, tmp_path / "other.safetensors"))
    loader = WorkspaceLoader(worker, lambda: None)
    for path in (model_file, other):
        loader.choose(Choice(a_volume_node, node, path, "auto"))
        settle(worker, worker.deliver)
        assert loader.workspace.window == loader.window == window_of("auto", read_volume_node(a_volume_node))
    assert threads == [("auto", worker._thread)]
    loader.choose(Choice(a_volume_node, node, other, "300,40"))
    settle(worker, worker.deliver)
    assert loader.workspace.window.bounds == (-110, 190)
    loader.close()
