from __future__ import annotations

from itertools import permutations

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import VolumeGeometry
from dfqsam_core.volume.geometry import nearest_voxel

from .strategies import geometries, geometries_with_voxels


@given(geometries_with_voxels(), st.sampled_from(["RAS", "LPS", "IJK"]))
def test_a_voxel_comes_back_from_every_coordinate_system(geometry_and_voxel, system):
    geometry, (voxel,) = geometry_and_voxel
    there = geometry.from_ijk(voxel, system)
    np.testing.assert_array_equal(nearest_voxel(geometry.ijk_from(there, system)), voxel)


@given(geometries(), st.lists(st.tuples(*[st.floats(-300, 300)] * 3), min_size=1, max_size=5))
def test_positions_come_back_through_ijk(geometry, points):
    for system in ("RAS", "LPS"):
        back = geometry.from_ijk(geometry.ijk_from(points, system), system)
        np.testing.assert_allclose(back, points, atol=1e-6)


@given(geometries())
def test_ras_agrees_with_nibabel_and_lps_with_simpleitk(geometry):
    import SimpleITK

    from dfqsam_core.volume.files.itk import image_of

    voxel = np.array(geometry.shape_ijk) - 1.0
    np.testing.assert_allclose(
        geometry.from_ijk(voxel, "RAS"), nibabel.affines.apply_affine(geometry.ijk_to_ras, voxel), atol=1e-9
    )
    image: SimpleITK.Image = image_of(np.zeros(geometry.shape_ijk[::-1], np.uint8), geometry)
    lps = image.TransformContinuousIndexToPhysicalPoint(voxel.tolist())
    np.testing.assert_allclose(geometry.from_ijk(voxel, "LPS"), lps, atol=1e-6)


@given(geometries())
def test_orientation_is_nibabels_where_the_axes_are_clear(geometry):
    clear = np.abs(geometry.directions_ras).max(axis=0).min() > 0.9
    if clear:
        assert geometry.orientation == "".join(nibabel.aff2axcodes(geometry.ijk_to_ras))
    assert sorted(geometry.anatomical_axes) == [0, 1, 2]


@pytest.mark.parametrize(
    ("position", "voxel"),
    [(-0.5, 0), (-0.500001, -1), (0.49, 0), (0.5, 1), (0.4999999, 1), (1.49, 1), (2.5, 3), (-1.2, -1)],
)
def test_voxel_n_spans_half_a_voxel_to_each_side_lower_border_included(position, voxel):
    assert nearest_voxel([position])[0] == voxel


def test_inside_reaches_to_the_outer_borders_of_the_outer_voxels():
    geometry = VolumeGeometry(np.eye(4), (3, 4, 5))
    assert geometry.contains([-0.5, 0, 0])
    assert geometry.contains([2.49, 3.49, 4.49])
    assert not geometry.contains([2.5, 0, 0])
    assert not geometry.contains([0, -0.6, 0])
    assert not geometry.contains([0, float("nan"), 0])
    assert not geometry.contains([0, 1e300, 0])


@pytest.mark.parametrize(
    ("spacing", "shape", "axis"),
    [
        ((1, 1, 5), (9, 9, 9), "K"),
        ((1, 5, 1), (9, 9, 9), "J"),
        ((5, 1, 1), (9, 9, 9), "I"),
        ((1, 1, 1), (9, 9, 9), "K"),
        ((3, 3, 1), (9, 9, 9), "J"),
        ((0.98, 0.97, 0.96), (9, 9, 9), "K"),
        ((1, 5, 1), (9, 9, 1), "K"),
    ],
)
def test_acquisition_axis_is_the_coarse_one_and_s_when_equal(spacing, shape, axis):
    assert VolumeGeometry(np.diag([*spacing, 1.0]), shape).acquisition_axis == axis


@pytest.mark.parametrize(
    ("spacing_ras", "shape_ras", "expected"),
    [
        ((1, 1, 1), (9, 9, 9), "S"),
        ((3, 3, 1), (9, 9, 9), "A"),
        ((1, 1, 3), (9, 1, 1), "S"),
        ((3, 1, 1), (9, 9, 9), "R"),
    ],
)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_acquisition_axis_is_one_of_the_patient_not_of_the_file(order, spacing_ras, shape_ras, expected):
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(spacing_ras)[:, order]
    geometry = VolumeGeometry(matrix, tuple(shape_ras[a] for a in order))
    assert geometry.orientation["IJK".index(geometry.acquisition_axis)] == expected


def test_a_sheared_grid_is_refused_with_its_angle():
    matrix = np.eye(4)
    matrix[1, 2] = np.tan(np.radians(15))
    with pytest.raises(VolumeError, match=r"sheared.*75\.00 degrees.*Resample"):
        VolumeGeometry(matrix, (2, 2, 2))


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, 1, 0, 1]), np.full((4, 4), np.nan), np.eye(3), np.diag([1.0, 1, 1, 2]), np.diag([1e-30, 1, 1, 1])],
)
def test_a_grid_without_place_or_size_is_refused(matrix):
    with pytest.raises(VolumeError, match="header"):
        VolumeGeometry(matrix, (2, 2, 2))


def test_an_empty_grid_is_refused():
    with pytest.raises(VolumeError, match="shape"):
        VolumeGeometry(np.eye(4), (2, 0, 2))


def test_the_matrix_is_a_copy_that_nobody_can_write():
    matrix = np.eye(4)
    geometry = VolumeGeometry(matrix, (2, 2, 2))
    matrix[0, 3] = 7
    assert geometry.ijk_to_ras[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        geometry.ijk_to_ras[0, 3] = 1
