"""Prompts on two segments beside each other under every setting of the Segment Editor, through the whole module."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer

from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession
from dfqsam_scene.nodes.volume_node import SceneError, read_volume_node
from dfqsam_scene.prompting.controller import Controller
from dfqsam_scene.prompting.segment_writer import SegmentWriter
from Testing.support.finished import settle
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.prompts import random_prompt
from Testing.support.segmentations import OVERWRITE_MODES, whole

K4, FULL = SliceKey("K", 4), np.ones((12, 14), bool)


@pytest.fixture
def controller(a_volume_node, segments, worker):
    session = VolumeSession(read_volume_node(a_volume_node), MODEL, "600,200", predictor=GreyPredictor())
    return Controller(SegmentWriter(session, segments), worker)


@pytest.mark.parametrize("mode", OVERWRITE_MODES)
def test_two_hundred_prompts_on_two_neighbours_change_only_the_prompted_one_and_undo_gives_all_back(
    controller, worker, segments, editor, mode
):
    editor.SetOverwriteMode(OVERWRITE_MODES[mode])
    rng = np.random.default_rng(12)
    history = [{segment_id: whole(segments, segment_id) for segment_id in segments.segment_ids}]
    changed = dict.fromkeys(segments.segment_ids, 0)
    for _ in range(200):
        one, other = (segments.segment_ids[n] for n in rng.permutation(2))
        controller.add_prompt(one, random_prompt(rng, segments.grid.shape_ijk))
        settle(worker, controller.deliver)
        assert not controller.is_error, controller.message
        present = {segment_id: whole(segments, segment_id) for segment_id in segments.segment_ids}
        np.testing.assert_array_equal(present[other], history[-1][other])
        changed[one] += int((present[one] != history[-1][one]).any())
        history.append(present)
    assert min(changed.values()) > 30
    both = history[-1][segments.segment_ids[0]] & history[-1][segments.segment_ids[1]]
    assert both.any() == (mode == "none")
    while controller.can_undo:
        controller.undo()
    for segment_id, expected in history[0].items():
        np.testing.assert_array_equal(whole(segments, segment_id), expected)


def finer_volume(world, phantom_file, folder):
    """The phantom resampled by SimpleITK to voxels of half the size, as a node, and its image."""
    image = sitk.ReadImage(str(phantom_file))
    grid = sitk.Image([2 * n for n in image.GetSize()], image.GetPixelID())
    grid.SetSpacing([step / 2 for step in image.GetSpacing()])
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([-0.25] * 3))
    finer = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    sitk.WriteImage(finer, str(folder / "finer.nrrd"))
    return world.read_volume(folder / "finer.nrrd", "Finer"), finer


def test_an_intensity_range_of_a_volume_on_another_grid_holds_where_that_volume_says(
    world, segments, liver, editor, a_volume_node, phantom_file, tmp_path
):
    finer, image = finer_volume(world, phantom_file, tmp_path)
    finer.SetAndObserveTransformNodeID(a_volume_node.GetTransformNodeID())
    editor.SetAndObserveSourceVolumeNode(finer)
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(200, 400)
    segments.write(liver, K4, FULL)
    grid = sitk.ReadImage(str(phantom_file))
    expected = sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear))[4] >= 200
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(segments.read(liver, K4), expected)


def change_reference(segments, world, phantom_file, change):
    """Give the segmentation another reference geometry than its voxels have."""
    other = world.read_volume(phantom_file, "Reference")
    other.SetAndObserveTransformNodeID(segments.node.GetTransformNodeID())
    change(other)
    segments.node.SetReferenceImageGeometryParameterFromVolumeNode(other)


def crop(node):
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(4, 4, 9)
    image.AllocateScalars(4, 1)
    node.SetAndObserveImageData(image)


@pytest.mark.parametrize(
    "change", [lambda node: node.SetSpacing(0.4, 0.35, 1.25), lambda node: node.SetOrigin(1, 2, 3), crop]
)
def test_an_intensity_range_is_refused_and_not_skipped_where_the_reference_geometry_differs(
    controller, worker, world, segments, liver, editor, phantom_file, change
):
    change_reference(segments, world, phantom_file, change)
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(200, 400)
    controller.add_prompt(liver, PointPrompt((7, 5, 4)))
    settle(worker, controller.deliver)
    assert controller.is_error
    assert "intensity range cannot be applied: the volume 'CT' does not cover" in controller.message
    assert not segments.read(liver, K4).any()
    assert controller.all_prompts() == {}
    editor.SourceVolumeIntensityMaskOff()
    controller.add_prompt(liver, PointPrompt((7, 5, 4)))
    settle(worker, controller.deliver)
    assert segments.read(liver, K4).any()


def test_a_write_that_is_refused_in_one_place_changes_nothing_in_another(world, segments, liver, editor, phantom_file):
    change_reference(segments, world, phantom_file, crop)
    drawn, wanted = np.zeros((2, 12, 14), bool)
    drawn[1:3, 1:3] = wanted[8:, 8:] = True
    segments.restore(liver, K4, drawn)
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(-1000, 1000)
    with pytest.raises(SceneError, match="does not cover"):
        segments.write(liver, K4, wanted)
    np.testing.assert_array_equal(segments.read(liver, K4), drawn)


def test_an_intensity_range_of_an_empty_volume_and_a_mask_of_a_lost_segment_are_refused(
    world, segments, liver, spleen, editor
):
    editor.SetAndObserveSourceVolumeNode(world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing"))
    editor.SourceVolumeIntensityMaskOn()
    with pytest.raises(SceneError, match="the volume 'Nothing' does not cover"):
        segments.write(liver, K4, FULL)
    editor.SourceVolumeIntensityMaskOff()
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
    editor.SetMaskSegmentID(spleen)
    segments.node.GetSegmentation().RemoveSegment(spleen)
    with pytest.raises(SceneError, match="inside a segment that is not there any more"):
        segments.write(liver, K4, FULL)
    assert not segments.read(liver, K4).any()
    segments.restore(liver, K4, FULL)
    assert segments.read(liver, K4).all()
