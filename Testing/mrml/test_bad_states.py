"""What is wrong or goes wrong around a person ends in a sentence; nothing is lost, and no error is logged."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from dfqsam_core.volume import SliceKey
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import world_from_ijk
from dfqsam_scene.prompting.choice import Choice
from dfqsam_scene.prompting.workspace_loader import WorkspaceLoader
from Testing.support.finished import settle, wait_for
from Testing.support.prompts import ANYWHERE
from Testing.support.segmentations import voxels_of

K4 = SliceKey("K", 4)


@pytest.fixture
def loader(worker):
    found = WorkspaceLoader(worker, lambda: None)
    yield found
    found.close()


@pytest.fixture
def organs(a_volume_node):
    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    return node


@pytest.fixture
def workspace(loader, a_volume_node, organs, model_file):
    """An open workspace with the segment "liver" chosen."""
    return open_on(loader, a_volume_node, organs, model_file)


def deliver(loader):
    """Let the panel's timer tick until nothing is worked on any more."""
    settle(loader._worker, loader._worker.deliver)


def begin_to_write(loader, workspace):
    """Propagate, until the first slice is written and others are still to come."""
    workspace.controller.propagate("liver", "K", 0, 8, ANYWHERE)
    wait_for(lambda: (loader._worker.deliver(), workspace.controller._writing.is_going)[1])


def open_on(loader, volume_node, segmentation_node, model_file):
    loader.choose(Choice(volume_node, segmentation_node, model_file, "auto"), again=True)
    deliver(loader)
    assert loader.message == ""
    loader.workspace.segment_id = "liver"
    return loader.workspace


def draw_box(workspace, low=(2, 2, 4), high=(12, 10, 4)):
    for corner in (low, high):
        position = world_from_ijk(workspace.segments.volume_node, corner).tolist()
        workspace.markups.nodes["box"].AddControlPointWorld(position)


def four_dimensional(world):
    """What Slicer shows of a sequence whose frames lie in one image: several values per voxel."""
    image = vtk.vtkImageData()
    image.SetDimensions(4, 3, 2)
    image.GetPointData().SetScalars(numpy_to_vtk(np.zeros((24, 5), np.int16), deep=True))
    node = world.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Perfusion")
    node.SetAndObserveImageData(image)
    return node


def empty(world):
    return world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Perfusion")


def sheared(world):
    node = world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Perfusion")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 3, 2)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASDirections(1, 0.5, 0, 0, 1, 0, 0, 0, 1)
    return node


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (four_dimensional, "'Perfusion' has 5 values per voxel"),
        (empty, "'Perfusion' is empty"),
        (sheared, "sheared"),
    ],
)
def test_a_volume_that_cannot_be_segmented_is_a_sentence(loader, world, organs, model_file, make, words):
    loader.choose(Choice(make(world), organs, model_file, "auto"))
    deliver(loader)
    assert loader.workspace is None
    assert words in loader.message
    assert not loader.is_loading


def test_the_frame_of_a_sequence_that_is_shown_can_be_segmented_and_the_next_frame_is_noticed(
    workspace, loader, a_volume_node
):
    draw_box(workspace)
    deliver(loader)
    first = workspace.segments.read("liver", K4)
    assert first.any()
    # As Slicer's Sequences do it: the proxy node is given the image of the next frame.
    frame = vtk.vtkImageData()
    frame.DeepCopy(a_volume_node.GetImageData())
    a_volume_node.SetAndObserveImageData(frame)
    draw_box(workspace, (0, 0, 4), (13, 11, 4))
    deliver(loader)
    assert "holds another image now" in workspace.controller.message
    assert workspace.controller.is_error


def test_a_model_file_that_is_deleted_while_it_is_open_is_still_used(workspace, loader, model_file):
    model_file.unlink()
    draw_box(workspace)
    deliver(loader)
    assert workspace.segments.read("liver", K4).any()
    assert not workspace.controller.is_error


def test_a_model_file_that_is_gone_before_it_is_opened_is_a_sentence(loader, a_volume_node, organs, tmp_path):
    loader.choose(Choice(a_volume_node, organs, tmp_path / "gone.safetensors", "auto"))
    deliver(loader)
    assert loader.workspace is None
    assert "gone.safetensors" in loader.message


def test_renamed_nodes_and_segments_go_on(workspace, loader, a_volume_node, organs):
    draw_box(workspace)
    deliver(loader)
    first = workspace.segments.read("liver", K4)
    organs.SetName("Anatomy")
    a_volume_node.SetName("Scan")
    organs.GetSegmentation().GetSegment("liver").SetName("Leber")
    draw_box(workspace, (0, 0, 4), (13, 11, 4))
    deliver(loader)
    assert workspace.segments.segment_name("liver") == "Leber"
    assert organs.GetName() == "Anatomy"
    assert not workspace.controller.is_error
    workspace.controller.undo()
    np.testing.assert_array_equal(workspace.segments.read("liver", K4), first)


def test_two_panels_on_one_segmentation_take_turns_and_lose_nothing(
    workspace, loader, a_volume_node, organs, model_file
):
    draw_box(workspace)
    deliver(loader)
    first = workspace.segments.read("liver", K4)
    other_worker = Worker()
    other = WorkspaceLoader(other_worker, lambda: None)
    second = open_on(other, a_volume_node, organs, model_file)
    assert not workspace.is_open
    assert "another panel" in workspace.notice
    assert list(second.controller.all_prompts()) == [("liver", K4)]
    draw_box(second, (2, 2, 5), (12, 10, 5))
    deliver(other)
    np.testing.assert_array_equal(second.segments.read("liver", K4), first)
    again = open_on(loader, a_volume_node, organs, model_file)
    assert [key.index for _, key in again.controller.all_prompts()] == [4, 5]
    other.close()
    other_worker.close()


@pytest.mark.parametrize("loss", ["volume", "segmentation", "segment", "scene"])
def test_what_goes_away_while_slices_are_written_takes_nothing_else_along(
    workspace, loader, world, organs, a_volume_node, monkeypatch, loss
):
    monkeypatch.setattr("dfqsam_scene.jobs.writing._HOLD_SECONDS", 0.0)
    organs.GetSegmentation().AddEmptySegment("kept", "kept")
    workspace.segments.restore("kept", K4, np.eye(12, 14, dtype=bool))
    draw_box(workspace)
    deliver(loader)
    begin_to_write(loader, workspace)
    kept = voxels_of(organs, "kept")
    {
        "volume": lambda: world.scene.RemoveNode(a_volume_node),
        "segmentation": lambda: world.scene.RemoveNode(organs),
        "segment": lambda: organs.GetSegmentation().RemoveSegment("liver"),
        "scene": lambda: world.scene.Clear(0),
    }[loss]()
    deliver(loader)
    assert not workspace.controller.is_busy
    assert workspace.is_open == (loss != "scene")
    if loss != "scene":
        assert workspace.controller.is_error
        assert workspace.controller.message
    if loss in ("volume", "segment"):
        assert len(kept) == 12
        assert voxels_of(organs, "kept") == kept


def test_a_scene_that_is_saved_while_slices_are_written_holds_all_of_them(workspace, loader, world, monkeypatch):
    monkeypatch.setattr("dfqsam_scene.jobs.writing._HOLD_SECONDS", 0.0)
    draw_box(workspace)
    deliver(loader)
    begin_to_write(loader, workspace)
    world.scene.StartState(world.scene.SaveState)
    planned = workspace.session
    for index in range(9):
        key = SliceKey("K", index)
        np.testing.assert_array_equal(workspace.segments.read("liver", key), planned.region(1, key))
    assert workspace.segments.read("liver", SliceKey("K", 8)).any()
    world.scene.EndState(world.scene.SaveState)


def test_a_closed_surface_that_is_shown_is_made_anew_and_its_display_stays(workspace, loader, organs):
    draw_box(workspace)
    deliver(loader)
    organs.CreateClosedSurfaceRepresentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    before = organs.GetClosedSurfaceInternalRepresentation("liver").GetBounds()
    draw_box(workspace, (2, 2, 6), (12, 10, 6))
    deliver(loader)
    assert organs.GetSegmentation().ContainsRepresentation(name)
    after = organs.GetClosedSurfaceInternalRepresentation("liver").GetBounds()
    assert after != before
