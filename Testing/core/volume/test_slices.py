from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.volume import SliceFrame, SliceKey, VolumeGeometry
from dfqsam_core.volume.slices import outwards, stored_plane

from .strategies import geometries_with_voxels

LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def stored_as(code: str, shape=(3, 4, 5)) -> VolumeGeometry:
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for axis, letter in enumerate(code):
        row, sign = LETTERS[letter]
        matrix[row, axis] = sign
    return VolumeGeometry(matrix, shape)


@pytest.mark.parametrize("code", ["RAS", "LPS", "ALI", "ASR", "IRA", "PIL", "SLP", "SPL", "LAI"])
@pytest.mark.parametrize("anatomical", [0, 1, 2])
def test_the_canonical_slice_is_the_radiological_display(code, anatomical):
    """Columns lead to L (to P in sagittal slices), rows to P in axial slices and to I in the others."""
    geometry = stored_as(code)
    axis = "IJK"[geometry.anatomical_axes.index(anatomical)]
    frame = SliceFrame.of(geometry, axis)
    corner, right, below = geometry.from_ijk(frame.ijk_from_xy([[0, 0], [1, 0], [0, 1]], 1), "RAS")
    columns, rows = {0: ("P", "I"), 1: ("L", "I"), 2: ("L", "P")}[anatomical]
    for step, letter in ((right - corner, columns), (below - corner, rows)):
        expected = np.zeros(3)
        expected[LETTERS[letter][0]] = LETTERS[letter][1]
        np.testing.assert_array_equal(step, expected)


@given(geometries_with_voxels(), st.sampled_from("IJK"))
def test_a_voxel_shows_at_its_pixel_along_every_axis(geometry_and_voxel, axis):
    geometry, (voxel,) = geometry_and_voxel
    volume = np.zeros(geometry.shape_ijk[::-1], np.uint8)
    volume[voxel[::-1]] = 1
    frame = SliceFrame.of(geometry, axis)
    index = voxel["IJK".index(axis)]
    image = frame.view(volume, index)
    x, y = frame.xy_from_ijk(voxel).astype(int)
    assert image.shape == (frame.height, frame.width)
    assert image.sum() == 1
    assert image[y, x] == 1
    np.testing.assert_array_equal(frame.ijk_from_xy([x, y], index), voxel)


@given(geometries_with_voxels(), st.sampled_from("IJK"))
def test_storage_and_canonical_order_are_exact_inverses(geometry_and_voxel, axis):
    geometry, (voxel,) = geometry_and_voxel
    volume = np.arange(np.prod(geometry.shape_ijk)).reshape(geometry.shape_ijk[::-1])
    frame = SliceFrame.of(geometry, axis)
    plane = stored_plane(volume, SliceKey(axis, voxel["IJK".index(axis)]))
    np.testing.assert_array_equal(frame.to_storage(frame.to_canonical(plane)), plane)


def test_writing_to_the_view_writes_that_slice_and_no_other():
    volume = np.zeros((5, 4, 3), np.uint8)
    frame = SliceFrame.of(stored_as("PIR"), "J")
    frame.view(volume, 2)[...] = 7
    np.testing.assert_array_equal(np.unique(np.nonzero(volume)[1]), [2])
    assert volume.sum() == 7 * 15


def test_spacing_follows_rows_and_columns():
    geometry = VolumeGeometry(np.diag([2.0, 3.0, 5.0, 1.0]), (3, 4, 5))
    assert SliceFrame.of(geometry, "K").spacing_mm == (3.0, 2.0)
    assert SliceFrame.of(geometry, "J").spacing_mm == (5.0, 2.0)
    assert SliceFrame.of(geometry, "I").spacing_mm == (5.0, 3.0)


def keys(*indices):
    return [SliceKey("K", index) for index in indices]


def test_neighbours_come_nearest_first_and_inside_the_volume():
    assert outwards(SliceKey("K", 1), 4, 3) == keys(2, 0, 3)


def test_slices_ahead_of_the_last_move_come_before_those_behind():
    here = SliceKey("K", 5)
    assert outwards(here, 8, 3, before=SliceKey("K", 4)) == keys(6, 7, 4, 3, 2)
    assert outwards(here, 8, 3, before=SliceKey("K", 7)) == keys(4, 3, 2, 6, 7)
    nowhere = (None, here, SliceKey("I", 1))
    assert all(outwards(here, 8, 3, before=before) == keys(6, 4, 7, 3, 2) for before in nowhere)
