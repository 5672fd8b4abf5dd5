"""One slice of one segment through Slicer's own Segment Editor logic; results are read back by SimpleITK from files."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer
import vtk

from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.slices import stored_plane
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation
from dfqsam_scene.nodes.volume_node import (
    SceneError,
    ijk_from_world,
    ijk_to_ras,
    matrix_array,
    read_volume_node,
)
from Testing.support.segmentations import OVERWRITE_MODES, saved, whole

SHAPE_KJI = (9, 12, 14)
KEYS = [SliceKey("I", 6), SliceKey("J", 11), SliceKey("K", 0)]


def random_mask(rng, key):
    """A rectangle and some noise."""
    plane = stored_plane(np.zeros(SHAPE_KJI), key)
    mask = rng.random(plane.shape) < 0.1
    (r0, r1), (c0, c1) = (np.sort(rng.integers(0, n, 2)) for n in plane.shape)
    mask[r0 : r1 + 1, c0 : c1 + 1] = True
    return mask


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_write_changes_one_slice_of_one_segment(segments, key):
    liver, spleen = segments.segment_ids
    mask = random_mask(np.random.default_rng(1), key)
    changes = segments.write(liver, key, mask)
    expected = np.zeros(SHAPE_KJI, bool)
    stored_plane(expected, key)[...] = mask
    np.testing.assert_array_equal(whole(segments, liver), expected)
    np.testing.assert_array_equal(segments.read(liver, key), mask)
    assert not whole(segments, spleen).any()
    assert [(change.segment_id, change.before.any()) for change in changes] == [(liver, False)]
    np.testing.assert_array_equal(changes[0].after, mask)


def test_a_saved_segmentation_holds_the_same_voxels_on_the_grid_of_the_volume(segments, phantom_file, tmp_path):
    liver, _ = segments.segment_ids
    expected = np.zeros(SHAPE_KJI, bool)
    rng = np.random.default_rng(2)
    for index in range(9):
        expected[index] = random_mask(rng, SliceKey("K", index))
        segments.write(liver, SliceKey("K", index), expected[index])
    found, image = saved(segments, tmp_path / "organs.seg.nrrd")
    np.testing.assert_array_equal(found["liver"], expected)
    assert not found["spleen"].any()
    # Slicer saves in the segmentation's own frame, without its parent transform: the grid of the volume's file.
    volume = sitk.ReadImage(str(phantom_file))
    assert image.GetSize()[:3] == volume.GetSize()
    for corner in ((0, 0, 0), (13, 11, 8)):
        np.testing.assert_allclose(
            image.TransformIndexToPhysicalPoint((*corner, 0)[: image.GetDimension()])[:3],
            volume.TransformIndexToPhysicalPoint(corner),
            atol=1e-4,
        )


def test_a_new_segmentation_has_the_reference_geometry_of_the_volume(a_volume_node):
    # Made in the other order, under the parent last, it would be the grid as the world sees it, and saving resamples.
    converter, image = slicer.vtkSegmentationConverter, slicer.vtkOrientedImageData()
    node = new_segmentation(a_volume_node, "Organs")
    text = node.GetSegmentation().GetConversionParameter(converter.GetReferenceImageGeometryParameterName())
    assert converter.DeserializeImageGeometry(text, image, False)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(matrix_array(matrix), ijk_to_ras(a_volume_node), atol=1e-6)
    assert image.GetExtent() == (0, 13, 0, 11, 0, 8)


@pytest.mark.parametrize("mode", OVERWRITE_MODES)
def test_prompting_one_segment_never_changes_the_other(segments, editor, mode):
    editor.SetOverwriteMode(OVERWRITE_MODES[mode])
    rng = np.random.default_rng(3)
    truth = {segment_id: np.zeros(SHAPE_KJI, bool) for segment_id in segments.segment_ids}
    for _ in range(200):
        axis = "IJK"[rng.integers(3)]
        key = SliceKey(axis, int(rng.integers(SHAPE_KJI[2 - "IJK".index(axis)])))
        one, other = (segments.segment_ids[n] for n in rng.permutation(2))
        mask = random_mask(rng, key)
        changes = segments.write(one, key, mask)
        stored_plane(truth[one], key)[...] = mask if mode == "none" else mask & ~stored_plane(truth[other], key)
        assert {change.segment_id for change in changes} <= {one}
        for segment_id, expected in truth.items():
            np.testing.assert_array_equal(segments.read(segment_id, key), stored_plane(expected, key))
    for segment_id, expected in truth.items():
        np.testing.assert_array_equal(whole(segments, segment_id), expected)


@pytest.mark.parametrize("mode", OVERWRITE_MODES)
def test_without_protection_the_overwrite_mode_decides_and_undo_is_exact(segments, editor, mode):
    editor.SetOverwriteMode(OVERWRITE_MODES[mode])
    rng, history = np.random.default_rng(4), []
    start = {segment_id: whole(segments, segment_id) for segment_id in segments.segment_ids}
    for _ in range(60):
        key = SliceKey("K", int(rng.integers(3)))
        one, other = (segments.segment_ids[n] for n in rng.permutation(2))
        mask, others = random_mask(rng, key), segments.read(other, key)
        history.append(segments.write(one, key, mask, protect_others=False))
        np.testing.assert_array_equal(segments.read(one, key), mask)
        np.testing.assert_array_equal(segments.read(other, key), others if mode == "none" else others & ~mask)
    for changes in reversed(history):
        for change in changes:
            segments.restore(change.segment_id, change.slice, change.before)
        for change in changes:
            np.testing.assert_array_equal(segments.read(change.segment_id, change.slice), change.before)
    for segment_id, expected in start.items():
        np.testing.assert_array_equal(whole(segments, segment_id), expected)


def test_a_hidden_segment_may_be_overlapped_where_only_visible_ones_are_overwritten(segments, editor):
    liver, spleen = segments.segment_ids
    editor.SetOverwriteMode(editor.OverwriteVisibleSegments)
    key, mask = SliceKey("K", 4), np.ones((12, 14), bool)
    segments.write(liver, key, mask)
    segments.node.GetDisplayNode().SetSegmentVisibility(liver, False)
    segments.write(spleen, key, mask)
    np.testing.assert_array_equal(segments.read(spleen, key), mask)
    np.testing.assert_array_equal(segments.read(liver, key), mask)


def test_the_intensity_range_of_the_segment_editor_holds(segments, editor, a_volume_node):
    liver, _ = segments.segment_ids
    key, mask = SliceKey("K", 4), np.ones((12, 14), bool)
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(200, 400)
    segments.write(liver, key, mask)
    bright = read_volume_node(a_volume_node).voxels_kji[4] >= 200
    assert 0 < bright.sum() < mask.sum()
    np.testing.assert_array_equal(segments.read(liver, key), bright)


@pytest.mark.parametrize("mode", ["inside", "outside"])
def test_the_mask_of_the_segment_editor_holds(segments, editor, mode):
    liver, spleen = segments.segment_ids
    key, frame = SliceKey("J", 3), np.zeros((9, 14), bool)
    frame[2:6, 3:9] = True
    segments.write(spleen, key, frame)
    editor.SetOverwriteMode(editor.OverwriteNone)
    editor.SetMaskSegmentID(spleen)
    node = slicer.vtkMRMLSegmentationNode
    editor.SetMaskMode(node.EditAllowedInsideSingleSegment if mode == "inside" else node.EditAllowedOutsideAllSegments)
    segments.write(liver, key, np.ones((9, 14), bool))
    np.testing.assert_array_equal(segments.read(liver, key), frame if mode == "inside" else ~frame)
    np.testing.assert_array_equal(segments.read(spleen, key), frame)


def test_undo_is_exact_even_when_the_settings_forbid_the_place(segments, editor):
    liver, _ = segments.segment_ids
    key, rng = SliceKey("K", 4), np.random.default_rng(5)
    first, second = random_mask(rng, key), random_mask(rng, key)
    segments.write(liver, key, first)
    change = segments.write(liver, key, second)[0]
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(1e5, 1e6)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideVisibleSegments)
    segments.restore(liver, key, change.before)
    np.testing.assert_array_equal(segments.read(liver, key), first)


def test_an_empty_mask_empties_the_slice_only(segments):
    liver, _ = segments.segment_ids
    rng = np.random.default_rng(6)
    masks = {index: random_mask(rng, SliceKey("K", index)) for index in (3, 4)}
    for index, mask in masks.items():
        segments.write(liver, SliceKey("K", index), mask)
    segments.write(liver, SliceKey("K", 4), np.zeros((12, 14), bool))
    assert not segments.read(liver, SliceKey("K", 4)).any()
    np.testing.assert_array_equal(segments.read(liver, SliceKey("K", 3)), masks[3])


def test_yesterdays_segments_are_read_and_continued(segments, tmp_path, world, a_volume_node):
    liver, spleen = segments.segment_ids
    rng, key = np.random.default_rng(7), SliceKey("K", 5)
    yesterday = random_mask(rng, key)
    segments.write(liver, key, yesterday)
    segments.write(spleen, SliceKey("K", 2), np.eye(12, 14, dtype=bool))
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(tmp_path / "yesterday.seg.nrrd"))
    storage.SetCropToMinimumExtent(True)
    assert storage.WriteData(segments.node)
    node = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Yesterday")
    assert storage.ReadData(node)
    node.SetAndObserveTransformNodeID(a_volume_node.GetTransformNodeID())
    today = SegmentScene(a_volume_node, node)
    np.testing.assert_array_equal(today.read(liver, key), yesterday)
    mask = random_mask(rng, SliceKey("I", 1))
    today.write(liver, SliceKey("I", 1), mask)
    expected = np.zeros(SHAPE_KJI, bool)
    expected[5] = yesterday
    expected[:, :, 1] = mask
    np.testing.assert_array_equal(whole(today, liver), expected)
    np.testing.assert_array_equal(today.read(spleen, SliceKey("K", 2)), np.eye(12, 14, dtype=bool))


def test_a_segmentation_under_another_rigid_transform_is_written_where_the_volume_is(world, a_volume_node, tmp_path):
    node = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Elsewhere")
    scene = SegmentScene(a_volume_node, node)
    key, mask = SliceKey("K", 4), np.zeros((12, 14), bool)
    mask[3:7, 2:9] = True
    scene.write(scene.add_segment("liver"), key, mask)
    segments, image = saved(scene, tmp_path / "elsewhere.seg.nrrd")
    covered = np.argwhere(segments["liver"])[:, ::-1].tolist()
    worlds = np.array([image.TransformIndexToPhysicalPoint([*ijk, 0][: image.GetDimension()])[:3] for ijk in covered])
    ijk = ijk_from_world(a_volume_node, worlds * (-1, -1, 1))
    np.testing.assert_allclose(ijk, np.rint(ijk), atol=1e-3)
    found = np.zeros(SHAPE_KJI, bool)
    found[tuple(np.rint(ijk).astype(int).T[::-1])] = True
    np.testing.assert_array_equal(found[4], mask)
    assert found.sum() == mask.sum()


def test_a_segmentation_on_another_grid_is_refused(segments, world, phantom_file):
    liver, _ = segments.segment_ids
    segments.write(liver, SliceKey("K", 4), np.ones((12, 14), bool))
    other = world.read_volume(phantom_file, "Other")
    other.SetSpacing(0.8, 0.7, 2.4)
    other.SetAndObserveTransformNodeID(segments.volume_node.GetTransformNodeID())
    with pytest.raises(SceneError, match=r"'Organs' is drawn on another grid than the volume 'Other'"):
        SegmentScene(other, segments.node)


def test_a_moved_volume_is_noticed_before_anything_is_written(segments, a_volume_node):
    liver, _ = segments.segment_ids
    key, mask = SliceKey("K", 4), np.eye(12, 14, dtype=bool)
    segments.write(liver, key, mask)
    a_volume_node.SetOrigin(1, 2, 3)
    with pytest.raises(SceneError, match="moved"):
        segments.write(liver, key, ~mask)


def test_another_image_in_the_volume_is_noticed_before_anything_is_written(segments, a_volume_node):
    liver, _ = segments.segment_ids
    image = vtk.vtkImageData()
    image.DeepCopy(a_volume_node.GetImageData())
    a_volume_node.SetAndObserveImageData(image)
    with pytest.raises(SceneError, match="'CT' holds another image now"):
        segments.write(liver, SliceKey("K", 4), np.eye(12, 14, dtype=bool))


def test_no_segmentation_a_removed_one_surfaces_and_a_deleted_segment_are_refused(world, a_volume_node, segments):
    with pytest.raises(SceneError, match="There is no segmentation"):
        SegmentScene(a_volume_node, None)
    surfaces = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    surfaces.GetSegmentation().SetSourceRepresentationName("Closed surface")
    with pytest.raises(SceneError, match="'Bones' is made of surfaces"):
        SegmentScene(a_volume_node, surfaces)
    liver, _ = segments.segment_ids
    segments.node.GetSegmentation().RemoveSegment(liver)
    with pytest.raises(SceneError, match=f"has no segment '{liver}' any more"):
        segments.write(liver, SliceKey("K", 4), np.ones((12, 14), bool))
    world.scene.RemoveNode(segments.node)
    with pytest.raises(SceneError, match="There is no segmentation"):
        segments.read(segments.segment_ids[0], SliceKey("K", 4))


def test_nodes_names_display_voxels_and_the_editors_selection_stay(world, a_volume_node, editor, phantom_file):
    theirs = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Theirs")
    editor.SetAndObserveSegmentationNode(theirs)
    editor.SetSelectedSegmentID("chosen")
    scene = SegmentScene(a_volume_node, new_segmentation(a_volume_node, "Organs"))
    nodes = [world.scene.GetNthNode(n) for n in range(world.scene.GetNumberOfNodes())]
    before = {node.GetID(): (node.GetName(), None if node is scene.node else node.GetMTime()) for node in nodes}
    liver = scene.add_segment("liver")
    color = scene.node.GetSegmentation().GetSegment(liver).GetColor()
    change = scene.write(liver, SliceKey("K", 4), np.ones((12, 14), bool))[0]
    scene.restore(liver, SliceKey("K", 4), change.before)
    kept = {"DFQSAMSlicer", "Organs"}
    after = {node.GetID(): (node.GetName(), None if node is scene.node else node.GetMTime()) for node in nodes}
    assert {key: value for key, value in after.items() if value[0] not in kept} == {
        key: value for key, value in before.items() if value[0] not in kept
    }
    assert world.scene.GetNumberOfNodes() == len(nodes)
    assert (editor.GetSegmentationNode() is theirs, editor.GetSelectedSegmentID()) == (True, "chosen")
    assert scene.node.GetSegmentation().GetSegment(liver).GetColor() == color
    np.testing.assert_array_equal(
        read_volume_node(a_volume_node).voxels_kji, sitk.GetArrayFromImage(sitk.ReadImage(str(phantom_file)))
    )
