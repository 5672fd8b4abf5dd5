"""From the world to a voxel and back, checked with nibabel and SimpleITK."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from dfqsam_scene.nodes.volume_node import SceneError, ijk_from_world, read_volume_node, view_axis, world_from_ijk
from Testing.support.mrml_scene import vtk_matrix
from Testing.support.phantom import PARENT, world_of

CLICKS_IJK = np.array([[0, 0, 0], [13, 11, 8], [7, 5, 4], [2.25, 9.5, 6.75]])


def clicked_world(path, matrix):
    """Where CLICKS_IJK are under the parent `matrix`, from SimpleITK."""
    return np.array([world_of(sitk.ReadImage(str(path)), ijk, matrix) for ijk in CLICKS_IJK])


def test_voxels_and_grid_are_those_of_the_file(a_volume_node, phantom_file, tmp_path):
    image = sitk.ReadImage(str(phantom_file))
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    volume = read_volume_node(a_volume_node)
    np.testing.assert_array_equal(volume.voxels_kji, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, nibabel.load(tmp_path / "ct.nii.gz").affine, atol=1e-4)
    assert volume.source == "CT"
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels_kji[0, 0, 0] = 1


def test_a_click_goes_through_the_parent_transform(a_volume_node, phantom_file):
    world_points = clicked_world(phantom_file, PARENT)
    np.testing.assert_allclose(ijk_from_world(a_volume_node, world_points), CLICKS_IJK, atol=1e-4)
    np.testing.assert_allclose(world_from_ijk(a_volume_node, CLICKS_IJK), world_points, atol=1e-4)


def test_a_click_goes_through_all_parents(world, a_volume_node, phantom_file):
    outer = np.diag([1.0, -1.0, -1.0, 1.0])
    outer[:3, 3] = 3, 2, 1
    a_volume_node.GetParentTransformNode().SetAndObserveTransformNodeID(world.transform(outer, "Outer").GetID())
    world_points = clicked_world(phantom_file, outer @ PARENT)
    np.testing.assert_allclose(ijk_from_world(a_volume_node, world_points), CLICKS_IJK, atol=1e-4)


def test_a_click_goes_through_a_bent_parent(world, a_volume_node, phantom_file):
    # Six landmarks stay, one moves: a thin-plate spline, whose forward direction tells where the clicks went.
    landmarks = clicked_world(phantom_file, np.eye(4))
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for n, point in enumerate(landmarks):
        source.InsertNextPoint(point)
        target.InsertNextPoint(point + (2.0 if n == 2 else 0.0))
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    node = world.scene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    node.SetAndObserveTransformToParent(spline)
    a_volume_node.SetAndObserveTransformNodeID(node.GetID())
    moved = landmarks + np.array([[0.0], [0.0], [2.0], [0.0]])
    np.testing.assert_allclose(ijk_from_world(a_volume_node, moved), CLICKS_IJK, atol=1e-2)


@pytest.mark.parametrize(("orientation", "axis"), [("Sagittal", "I"), ("Coronal", "J"), ("Axial", "K")])
def test_a_slice_view_shows_the_voxel_axis_that_it_looks_along(world, a_volume_node, orientation, axis):
    view = world.slice_view(orientation)
    assert view_axis(a_volume_node, view, world_from_ijk(a_volume_node, (7, 5, 4))) == axis


def test_a_view_turned_with_the_volume_still_shows_its_axis(world, a_volume_node):
    # A quarter turn about R: what was S is now A, so the coronal view looks along K.
    turn = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    a_volume_node.GetParentTransformNode().SetMatrixTransformToParent(vtk_matrix(turn))
    view = world.slice_view("Coronal")
    assert view_axis(a_volume_node, view, world_from_ijk(a_volume_node, (7, 5, 4))) == "K"


def test_no_volume_an_empty_one_and_a_removed_one_are_refused(world, a_volume_node):
    with pytest.raises(SceneError, match="There is no volume"):
        read_volume_node(None)
    with pytest.raises(SceneError, match="'Empty' is empty"):
        read_volume_node(world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
    world.scene.RemoveNode(a_volume_node)
    with pytest.raises(SceneError, match="There is no volume"):
        read_volume_node(a_volume_node)


def test_several_values_per_voxel_are_refused(world):
    image = vtk.vtkImageData()
    image.SetDimensions(2, 2, 2)
    image.GetPointData().SetScalars(numpy_to_vtk(np.zeros((8, 3), np.uint8), deep=True))
    node = world.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "RGB")
    node.SetAndObserveImageData(image)
    with pytest.raises(SceneError, match=r"'RGB' has 3 values per voxel"):
        read_volume_node(node)


def test_a_removed_volume_leaves_its_voxels_to_a_job_that_still_reads_them(world, a_volume_node, phantom_file):
    volume = read_volume_node(a_volume_node)
    world.scene.RemoveNode(a_volume_node)
    np.testing.assert_array_equal(volume.voxels_kji, sitk.GetArrayFromImage(sitk.ReadImage(str(phantom_file))))
