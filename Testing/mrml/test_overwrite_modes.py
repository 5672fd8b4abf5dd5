"""Prompts on two segments beside each other under every setting of the Segment Editor, through the whole module."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer
from DFQSAMSlicerLib.canvas import Canvas
from DFQSAMSlicerLib.controller import Controller
from DFQSAMSlicerLib.scene import SegmentScene, new_segmentation
from DFQSAMSlicerLib.volume_node import SceneError, read_volume_node
from DFQSAMSlicerLib.worker import Worker

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession
from Testing.core.volume.conftest import MODEL, GreyPredictor

from .test_controller import WINDOW, settle
from .test_recorded_session import random_prompt
from .test_scene import MODES, whole

K4, FULL = SliceKey("K", 4), np.ones((12, 14), bool)


@pytest.fixture
def segments(a_volume_node):
    found = SegmentScene(a_volume_node, new_segmentation(a_volume_node, "Organs"))
    found.add_segment("liver")
    found.add_segment("spleen")
    return found


@pytest.fixture
def editor(world):
    """The settings node of Slicer's Segment Editor module."""
    node = slicer.vtkMRMLSegmentEditorNode()
    node.SetSingletonTag("SegmentEditor")
    return world.scene.AddNode(node)


@pytest.fixture
def controller(a_volume_node, segments):
    worker = Worker()
    session = VolumeSession(
        read_volume_node(a_volume_node), MODEL, WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor()
    )
    found = Controller(Canvas(session, segments), worker)
    yield found
    worker.close()


@pytest.mark.parametrize("mode", MODES)
def test_two_hundred_prompts_on_two_neighbours_change_only_the_prompted_one_and_undo_gives_all_back(
    controller, segments, editor, mode
):
    editor.SetOverwriteMode(MODES[mode])
    rng = np.random.default_rng(12)
    history = [{segment_id: whole(segments, segment_id) for segment_id in segments.segment_ids}]
    changed = dict.fromkeys(segments.segment_ids, 0)
    for _ in range(200):
        one, other = (segments.segment_ids[n] for n in rng.permutation(2))
        controller.add_prompt(one, random_prompt(rng))
        settle(controller, controller._worker)
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


def finer_volume(world, phantom_file, factor=2, shift=(0, 0, 0)):
    """The phantom resampled by SimpleITK to smaller voxels, as a node under the same transform, and its image."""
    image = sitk.ReadImage(str(phantom_file))
    finer = sitk.Image([n * factor for n in image.GetSize()], image.GetPixelID())
    finer.SetSpacing([step / factor for step in image.GetSpacing()])
    finer.SetDirection(image.GetDirection())
    finer.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([(1 / factor - 1) / 2 + s for s in shift]))
    finer = sitk.Resample(image, finer, sitk.Transform(), sitk.sitkNearestNeighbor)
    path = phantom_file.parent / "finer.nrrd"
    sitk.WriteImage(finer, str(path))
    return world.read_volume(path, "Finer"), finer


def test_an_intensity_range_of_a_volume_on_another_grid_holds_where_that_volume_says(
    world, segments, editor, a_volume_node, phantom_file
):
    liver = segments.segment_ids[0]
    finer, image = finer_volume(world, phantom_file)
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
    controller, world, segments, editor, phantom_file, change
):
    liver = segments.segment_ids[0]
    change_reference(segments, world, phantom_file, change)
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(200, 400)
    controller.add_prompt(liver, PointPrompt((7, 5, 4)))
    settle(controller, controller._worker)
    assert controller.is_error
    assert "intensity range cannot be applied: the volume 'CT' does not cover" in controller.message
    assert not segments.read(liver, K4).any()
    assert controller.all_prompts() == {}
    editor.SourceVolumeIntensityMaskOff()
    controller.add_prompt(liver, PointPrompt((7, 5, 4)))
    settle(controller, controller._worker)
    assert segments.read(liver, K4).any()


def test_an_intensity_range_of_an_empty_volume_and_a_mask_of_a_lost_segment_are_refused(world, segments, editor):
    liver, spleen = segments.segment_ids
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
