"""A region of interest in space beside a linear program that knows nothing of cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, VolumeGeometry, roi_boxes
from Testing.core.volume.strategies import geometries, quaternions, rotation

GEOMETRY = VolumeGeometry(np.diag([-1.0, -1.0, 2.0, 1.0]), (60, 50, 40))


def reach(matrix, centre, half_axes, normal, index):
    """Least and greatest I, J and K of the part of a ROI on a slice; None where they do not meet."""
    to_ijk = np.linalg.solve(matrix[:3, :3], half_axes)
    middle = np.linalg.solve(matrix[:3, :3], centre - matrix[:3, 3])
    found = []
    for axis in range(3):
        for sign in (1, -1):
            plane = {"A_eq": to_ijk[None, normal], "b_eq": [index - middle[normal]]}
            answer = linprog(sign * to_ijk[axis], bounds=[(-1, 1)] * 3, **plane)
            if answer.status != 0:
                return None
            found.append(middle[axis] + to_ijk[axis] @ answer.x)
    return np.reshape(found, (3, 2)).T


@settings(max_examples=60, deadline=None)
@given(geometries(), quaternions, st.tuples(*[st.floats(0.05, 0.6)] * 3), st.tuples(*[st.floats(0.2, 0.8)] * 3))
def test_a_turned_roi_gives_the_box_around_its_cut_with_every_slice(geometry, turn, sizes, place):
    """Oblique to a grid that is itself oblique, anisotropic and off the origin."""
    extent = np.linalg.norm(geometry.ijk_to_ras[:3, :3] @ np.diag(geometry.shape_ijk), axis=0)
    half_axes = rotation(turn) * (np.array(sizes) * extent)
    centre = geometry.from_ijk(np.array(place) * (np.array(geometry.shape_ijk) - 1), "RAS")
    axis = geometry.acquisition_axis
    normal, last = "IJK".index(axis), np.array(geometry.shape_ijk) - 1
    expected = {}
    for index in range(geometry.size_along(axis)):
        limits = reach(geometry.ijk_to_ras, centre, half_axes, normal, index)
        if limits is not None:
            low = np.maximum(np.ceil(np.round(limits[0], 5)), 0).astype(int)
            high = np.minimum(np.floor(np.round(limits[1], 5)), last).astype(int)
            low[normal] = high[normal] = index
            if (low <= high).all():
                expected[index] = (tuple(low.tolist()), tuple(high.tolist()))
    if expected:
        boxes = roi_boxes(geometry, centre, half_axes, "RAS")
        assert {box.slice.index: (box.low_ijk, box.high_ijk) for box in boxes} == expected
        flipped = np.array([-1.0, -1.0, 1.0])
        assert roi_boxes(geometry, centre * flipped, half_axes * flipped[:, None], "LPS") == boxes


def test_a_roi_along_another_axis_prompts_the_slices_of_that_axis():
    boxes = roi_boxes(GEOMETRY, (20, 15, 10), np.diag([1, 3, 2]), "IJK", axis="I")
    assert boxes == tuple(BoxPrompt((i, 12, 8), (i, 18, 12), "I") for i in (19, 20, 21))


def test_a_face_on_the_centres_of_voxels_takes_them():
    boxes = roi_boxes(GEOMETRY, (-20, -15, 20), np.diag([5, 3, 2]), "RAS")
    assert boxes == tuple(BoxPrompt((15, 12, k), (25, 18, k)) for k in (9, 10, 11))


@pytest.mark.parametrize(
    ("centre", "half", "reason"),
    [
        ((20, 15, 10), (0, 0, 0), "never placed"),
        ((20, 15, np.nan), (1, 1, 1), "never placed"),
        ((20, 15, 10), (np.inf, 1, 1), "never placed"),
        ((500, 15, 10), (5, 5, 5), "outside the volume"),
        ((20, 15, 10), (1e300, 1, 1), "outside the volume"),
        ((20.5, 15, 10), (0.2, 3, 3), "centre of no voxel"),
    ],
)
def test_a_roi_that_prompts_nothing_is_refused(centre, half, reason):
    with pytest.raises(PromptError, match=reason):
        roi_boxes(GEOMETRY, centre, np.diag(half), "IJK")


def test_an_unknown_axis_or_coordinate_system_is_refused():
    with pytest.raises(PromptError, match="An axis is I, J or K"):
        roi_boxes(GEOMETRY, (20, 15, 10), np.eye(3), "IJK", axis="X")
    with pytest.raises(PromptError, match="RAS, LPS or IJK"):
        roi_boxes(GEOMETRY, (20, 15, 10), np.eye(3), "XYZ")
