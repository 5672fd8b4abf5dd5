"""Scribbles, lassos and 3D boxes on the real scene: where they lie, what they draw, and that they come back."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core import load_model
from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
from dfqsam_core.volume import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    SegmentPrompts,
    SliceKey,
    read_volume,
    segment_volume,
)
from dfqsam_scene.nodes.outlines import PromptOutlines
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.window_texts import window_of
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.finished import PATIENCE_SECONDS, settle, wait_for
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.phantom import PARENT, voxel_of, world_of
from Testing.support.segmentations import save_and_reload, saved

K4 = SliceKey("K", 4)
LINE = [(4, 5, 4), (7, 4, 4), (10, 5, 4)]
RING = [(2, 1, 4), (12, 1, 4), (12, 9, 4), (2, 9, 4)]
STROKES = {"scribble": LINE, "scribble_out": [(1, 1, 4), (1, 9, 4)], "lasso": RING, "lasso_out": RING[:3]}


@pytest.fixture
def image(phantom_file):
    """The phantom as SimpleITK reads it."""
    return sitk.ReadImage(str(phantom_file))


def open_workspace(volume_node, segmentation_node, worker):
    window = window_of("600,200", read_volume_node(volume_node))
    found = Workspace(volume_node, segmentation_node, MODEL, worker, window, predictor=GreyPredictor())
    found.segment_id = found.segments.segment_ids[0]
    return found


@pytest.fixture
def workspace(a_volume_node, worker):
    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("", "liver")
    return open_workspace(a_volume_node, node, worker)


def draw(workspace, worker, role, places_world):
    """Give a stroke, as a script does, and wait for the answer."""
    node = workspace.markups.nodes[role]
    was_modifying = node.StartModify()
    for place in places_world:
        node.AddControlPointWorld(np.asarray(place).tolist())
    node.EndModify(was_modifying)
    settle(worker, workspace.controller.deliver)


def draw_voxels(workspace, worker, image, role, places_ijk):
    draw(workspace, worker, role, [world_of(image, ijk) for ijk in places_ijk])


def voxels(workspace):
    segments = workspace.segments
    return np.stack([segments.read(workspace.segment_id, SliceKey("K", k)) for k in range(9)])


@pytest.mark.parametrize("role", STROKES)
def test_a_stroke_of_a_script_passes_its_voxels_on_the_acquired_slice(workspace, worker, image, role):
    near = [np.add(ijk, (0.3, -0.4, 0.2)) for ijk in STROKES[role]]
    draw_voxels(workspace, worker, image, role, near)
    (prompt,) = workspace.prompts_on(K4)
    kind = ScribblePrompt if role.startswith("scribble") else LassoPrompt
    passed = tuple(tuple(voxel_of(image, world_of(image, ijk))) for ijk in near)
    assert prompt == kind(passed, not role.endswith("_out"))
    assert workspace.markups.nodes[role].GetNumberOfControlPoints() == 0


@pytest.mark.parametrize(("orientation", "axis"), [("Sagittal", "I"), ("Coronal", "J"), ("Axial", "K")])
def test_a_stroke_lies_on_the_slice_of_the_view_under_the_mouse(world, workspace, worker, image, orientation, axis):
    view = world.slice_view(orientation)
    world.scene.AddNewNodeByClass("vtkMRMLCrosshairNode").SetCursorPositionXYZ([1.0, 1.0, 0.0], view)
    normal = "IJK".index(axis)
    places = np.array([(7.0, 5, 4)] * 3)
    places[:, normal - 1] += (-3, 0, 3)
    # As in an oblique view: the mouse stays in its plane and leaves the slice a little.
    places[2, normal] += 0.7
    draw_voxels(workspace, worker, image, "scribble", places)
    (((_, key), (prompt,)),) = workspace.prompts().items()
    assert key == SliceKey(axis, (7, 5, 4)[normal])
    assert {voxel[normal] for voxel in prompt.path_ijk} == {(7, 5, 4)[normal]}


def test_one_control_point_is_a_point_and_no_lasso(workspace, worker, image):
    draw_voxels(workspace, worker, image, "scribble", [(7, 5, 4)])
    assert workspace.prompts_on(K4) == (PointPrompt((7, 5, 4)),)
    draw_voxels(workspace, worker, image, "lasso", [(7, 5, 4)])
    assert workspace.prompts_on(K4) == (PointPrompt((7, 5, 4)),)
    assert "less than 2 voxels" in workspace.controller.message


def test_a_stroke_beside_the_volume_is_refused_and_one_across_its_edge_is_cut(workspace, worker, image):
    draw_voxels(workspace, worker, image, "scribble", [(20, 5, 4), (25, 5, 4)])
    assert "outside the volume" in workspace.controller.message
    draw_voxels(workspace, worker, image, "lasso", [(10, 2, 4), (20, 2, 4), (20, 15, 4), (10, 15, 4)])
    (lasso,) = workspace.prompts_on(K4)
    assert lasso.vertices_ijk == ((10, 2, 4), (13, 2, 4), (13, 11, 4), (10, 11, 4))


def test_strokes_are_shown_until_they_are_taken_back_and_undo_is_exact(workspace, worker, image, world):
    def outlines():
        kinds = ("vtkMRMLMarkupsCurveNode", "vtkMRMLMarkupsClosedCurveNode")
        counted = [
            [world.scene.GetNthNodeByClass(n, kind) for n in range(world.scene.GetNumberOfNodesByClass(kind))]
            for kind in kinds
        ]
        return [node for nodes in counted for node in nodes]

    states = [voxels(workspace)]
    for role in ("scribble", "scribble_out", "lasso"):
        draw_voxels(workspace, worker, image, role, STROKES[role])
        states.append(voxels(workspace))
    shown = {node.GetID(): node for node in outlines()}.values()
    assert len(shown) == 3
    assert all(node.GetHideFromEditors() and node.GetLocked() and not node.GetSaveWithScene() for node in shown)
    for expected in states[-2::-1]:
        workspace.controller.undo()
        settle(worker, workspace.controller.deliver)
        np.testing.assert_array_equal(voxels(workspace), expected)
    assert outlines() == []
    for expected in states[1:]:
        workspace.controller.redo()
        settle(worker, workspace.controller.deliver)
        np.testing.assert_array_equal(voxels(workspace), expected)


def test_a_line_lies_on_its_voxels_through_all_transforms(world, a_volume_node, image):
    outlines = PromptOutlines(a_volume_node)
    scribble, lasso = ScribblePrompt(tuple(LINE)), LassoPrompt(tuple(RING), positive=False)
    outlines.show([scribble, lasso, PointPrompt((1, 1, 1))])
    assert list(outlines.nodes) == [scribble, lasso]
    for prompt, kind in ((scribble, "vtkMRMLMarkupsCurveNode"), (lasso, "vtkMRMLMarkupsClosedCurveNode")):
        node = outlines.nodes[prompt]
        assert node.GetClassName() == kind
        drawn = [node.GetNthControlPointPositionWorld(n) for n in range(node.GetNumberOfControlPoints())]
        np.testing.assert_allclose(drawn, [world_of(image, ijk) for ijk in prompt.voxels_ijk], atol=1e-4)
    outlines.show([])
    assert outlines.nodes == {}


def test_after_save_close_and_load_strokes_and_boxes_are_there_and_no_node_of_the_drawing(
    workspace, worker, image, world, tmp_path
):
    for role, places in STROKES.items():
        draw_voxels(workspace, worker, image, role, places)
    draw_voxels(workspace, worker, image, "roi", [(5, 3, 4), (9, 7, 4)])
    prompts, before = workspace.prompts(), voxels(workspace)
    assert len(prompts) == 1, "thin beside its slices: a box on one of them"
    nodes = save_and_reload(world, workspace.segments, tmp_path / "scene")
    kinds = ("vtkMRMLMarkupsROINode", "vtkMRMLMarkupsCurveNode", "vtkMRMLMarkupsClosedCurveNode")
    assert [world.scene.GetNumberOfNodesByClass(kind) for kind in kinds] == [0, 0, 0]
    again = open_workspace(*nodes, worker)
    assert again.notice == ""
    assert list(again.prompts().values()) == list(prompts.values())
    np.testing.assert_array_equal(voxels(again), before)


def roi_places(world):
    """Where the centre of each ROI lies, in world mm, and its size."""
    kind = "vtkMRMLMarkupsROINode"
    nodes = [world.scene.GetNthNodeByClass(n, kind) for n in range(world.scene.GetNumberOfNodesByClass(kind))]
    return [np.round([*node.GetCenterWorld(), *node.GetSize()], 6).tolist() for node in nodes]


def deepen(world, depth_mm):
    """Let go of a handle of the only ROI."""
    (handle,) = world.scene.GetNodesByClass("vtkMRMLMarkupsROINode")
    handle.SetSize(*handle.GetSize()[:2], depth_mm)
    handle.InvokeEvent(handle.PointEndInteractionEvent)


def test_handles_of_a_3d_box_are_back_after_undo_redo_a_cancel_and_the_removal_of_one_box(
    workspace, worker, image, world
):
    def do(action):
        action()
        settle(worker, workspace.controller.deliver)
        return roi_places(world)

    draw_voxels(workspace, worker, image, "roi", [(0, 0, 4), (13, 11, 4)])
    (first,) = roi_places(world)
    (second,) = do(lambda: deepen(world, 18.0))
    assert second != first
    assert do(workspace.controller.undo) == [first]
    assert do(workspace.controller.redo) == [second]
    deepen(world, 30.0)
    assert do(workspace.controller.cancel) == [second]
    box = workspace.prompts_on(K4)[0]
    assert do(lambda: workspace.controller.remove_prompt(workspace.segment_id, box)) == []
    assert do(workspace.controller.undo) == [second]
    # They can be used as before.
    count = len(workspace.prompts())
    do(lambda: deepen(world, 6.0))
    assert 0 < len(workspace.prompts()) < count


def test_handles_of_a_3d_box_are_back_after_save_close_and_load_and_give_the_same_boxes(
    workspace, worker, image, world, tmp_path
):
    draw_voxels(workspace, worker, image, "roi", [(0, 0, 4), (13, 11, 4)])
    before = list(workspace.prompts().values())
    again = open_workspace(*save_and_reload(world, workspace.segments, tmp_path / "scene"), worker)
    (place,) = roi_places(world)
    np.testing.assert_allclose(place[:3], world_of(image, (6.5, 5.5, 4)), atol=1e-3)
    deepen(world, 0.1)
    settle(worker, again.controller.deliver)
    assert list(again.prompts()) == [(again.segment_id, K4)]
    again.controller.undo()
    settle(worker, again.controller.deliver)
    assert list(again.prompts().values()) == before


@pytest.mark.parametrize(("size", "centre"), [((0.001,) * 3, None), ((0,) * 3, None), ((9,) * 3, (900, 900, 900))])
def test_handles_that_were_pulled_until_nothing_is_covered_go_back_to_their_boxes(
    workspace, worker, image, world, size, centre
):
    draw_voxels(workspace, worker, image, "roi", [(0, 0, 4), (13, 11, 4)])
    before, prompts = roi_places(world), workspace.prompts()
    (handle,) = world.scene.GetNodesByClass("vtkMRMLMarkupsROINode")
    handle.SetSize(*size)
    # Beside the centre of each voxel.
    handle.SetCenterWorld(centre or np.add(handle.GetCenterWorld(), (0.05, 0.05, 0.05)).tolist())
    handle.InvokeEvent(handle.PointEndInteractionEvent)
    settle(worker, workspace.controller.deliver)
    assert workspace.controller.is_error
    assert (roi_places(world), workspace.prompts()) == (before, prompts)
    deepen(world, 18.0)
    settle(worker, workspace.controller.deliver)
    assert len(workspace.prompts()) == 7


def test_handles_that_were_deleted_in_the_scene_stay_away_and_their_boxes_stay(workspace, worker, image, world):
    draw_voxels(workspace, worker, image, "roi", [(0, 0, 4), (13, 11, 4)])
    (handle,) = world.scene.GetNodesByClass("vtkMRMLMarkupsROINode")
    world.scene.RemoveNode(handle)
    draw_voxels(workspace, worker, image, "positive", [(7, 5, 4)])
    assert roi_places(world) == []
    assert len(workspace.prompts()) == 3


def test_a_3d_box_needs_a_segment_and_says_so(workspace, worker, image, world):
    workspace.segment_id = None
    draw_voxels(workspace, worker, image, "roi", [(2, 2, 4), (11, 9, 4)])
    assert workspace.prompts() == {}
    assert "No segment is chosen" in workspace.controller.message
    assert world.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == 0


def test_a_refused_write_of_a_3d_box_leaves_everything_as_it_was(workspace, worker, image, world):
    moved = world.transform(np.eye(4))
    draw_voxels(workspace, worker, image, "roi", [(0, 0, 4), (13, 11, 4)])
    before, prompts = voxels(workspace), workspace.prompts()
    assert len(prompts) == 3
    (place,) = roi_places(world)
    handle = world.scene.GetNthNodeByClass(0, "vtkMRMLMarkupsROINode")
    handle.SetSize(*handle.GetSize()[:2], 18.0)
    handle.InvokeEvent(handle.PointEndInteractionEvent)
    workspace.segments.node.SetAndObserveTransformNodeID(moved.GetID())
    settle(worker, workspace.controller.deliver)
    assert workspace.controller.is_error
    workspace.segments.node.SetAndObserveTransformNodeID(workspace.segments.volume_node.GetTransformNodeID())
    assert workspace.prompts() == prompts
    np.testing.assert_array_equal(voxels(workspace), before)
    assert roi_places(world) == [place], "its handles, too"


def test_a_click_while_a_3d_box_is_worked_on_follows_it(workspace, worker, image):
    node = workspace.markups.nodes["roi"]
    for corner in ((0, 0, 4), (13, 11, 4)):
        node.AddControlPointWorld(world_of(image, corner).tolist())
    workspace.markups.nodes["positive"].AddControlPointWorld(world_of(image, (7, 5, 4)).tolist())
    settle(worker, workspace.controller.deliver)
    assert workspace.prompts_on(K4) == (BoxPrompt((0, 0, 4), (13, 11, 4)), PointPrompt((7, 5, 4)))
    assert len(workspace.prompts()) == 3
    workspace.controller.undo()
    settle(worker, workspace.controller.deliver)
    assert workspace.prompts_on(K4) == (BoxPrompt((0, 0, 4), (13, 11, 4)),)


PROGRAM = """
import sys
from dfqsam_core.volume import LassoPrompt, ScribblePrompt, SliceKey, VolumeSession, read_volume
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.prompting.workspace_loader import WorkspaceLoader
from Testing.support.grey_predictor import MODEL, GreyPredictor

worker = Worker()
WorkspaceLoader(worker, lambda: None)
session = VolumeSession(read_volume(sys.argv[1]), MODEL, predictor=GreyPredictor())
session.add_segment(1, "liver")
before = {name.split(".")[0] for name in sys.modules}
session.add_prompt(1, ScribblePrompt(((4, 5, 4), (7, 4, 4))))
session.add_prompt(1, LassoPrompt(((2, 1, 4), (12, 1, 4), (12, 9, 4))))
print(sorted({name.split(".")[0] for name in sys.modules} - before))
worker.close()
"""


def test_the_first_stroke_imports_no_package_that_an_opened_panel_has_not(phantom_file):
    command = [sys.executable, "-c", PROGRAM, str(phantom_file)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


class Waiting(GreyPredictor):
    """One that predicts a first slice at once and the others when it may."""

    def __init__(self):
        super().__init__()
        self.may_go_on = threading.Event()
        self.predicted = 0

    def predict(self, *arguments, **named):
        self.predicted += 1
        assert self.predicted == 1 or self.may_go_on.wait(PATIENCE_SECONDS)
        return super().predict(*arguments, **named)


def test_of_a_3d_box_the_slice_that_is_looked_at_is_shown_first_and_written_with_the_others(
    a_volume_node, worker, image, world
):
    node, predictor = new_segmentation(a_volume_node, "Organs"), Waiting()
    node.GetSegmentation().AddEmptySegment("", "liver")
    window = window_of("600,200", read_volume_node(a_volume_node))
    workspace = Workspace(a_volume_node, node, MODEL, worker, window, predictor=predictor)
    workspace.segment_id = workspace.segments.segment_ids[0]
    workspace.encode_ahead(False)
    workspace.look_at(SliceKey("K", 5))
    for corner in ((0, 0, 4), (13, 11, 4)):
        workspace.markups.nodes["roi"].AddControlPointWorld(world_of(image, corner).tolist())
    controller = workspace.controller

    def has_one():
        controller.deliver()
        return controller.progress is not None and controller.progress.preview is not None

    wait_for(has_one)
    assert controller.progress.preview.key == SliceKey("K", 5)
    (preview,) = [
        found
        for found in world.scene.GetNodesByClass("vtkMRMLSegmentationNode")
        if found.GetName() == "DFQSAMSlicer preview"
    ]
    shown = SegmentScene(a_volume_node, preview)
    assert shown.read(shown.segment_ids[0], SliceKey("K", 5)).any()
    assert not voxels(workspace).any()
    assert not controller.preview, "there is nothing to accept"
    predictor.may_go_on.set()
    settle(worker, controller.deliver)
    assert [k for k, mask in enumerate(voxels(workspace)) if mask.any()] == [3, 4, 5]
    assert not shown.read(shown.segment_ids[0], SliceKey("K", 5)).any()


def test_the_embedded_model_gives_what_the_command_line_gives(world, worker, tmp_path):
    volume, model = read_volume(resource_path(DEMO_VOLUME)), load_model(resource_path(DEMO_MODEL), threads=1)
    image = sitk.ReadImage(str(resource_path(DEMO_VOLUME)))
    node = world.read_volume(resource_path(DEMO_VOLUME), "CT")
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    found = SegmentScene(node, new_segmentation(node, "Organs"))
    workspace = Workspace(node, found.node, model, worker, window_of("auto", read_volume_node(node)))
    workspace.encode_ahead(False)
    prompts = {}
    for label, (role, places) in enumerate(
        [
            ("scribble", [(90, 55, 15), (85, 50, 15), (88, 42, 15)]),
            ("lasso", [(70, 25, 15), (95, 25, 15), (82, 60, 15)]),
        ],
        start=1,
    ):
        workspace.segment_id = workspace.segments.add_segment(role)
        draw_voxels(workspace, worker, image, role, places)
        draw_voxels(workspace, worker, image, "scribble_out", [(60, 50, 15), (60, 40, 15)])
        assert not workspace.controller.is_error, workspace.controller.message
        prompts[role] = SegmentPrompts(role, label, workspace.prompts_on(SliceKey("K", 15)))
    expected = segment_volume(volume, list(prompts.values()), model).labels_kji
    masks, _ = saved(workspace.segments, tmp_path / "organs.seg.nrrd")
    for role, given in prompts.items():
        assert len(given.prompts) == 2
        assert masks[role].any()
        np.testing.assert_array_equal(masks[role], expected == given.label)
