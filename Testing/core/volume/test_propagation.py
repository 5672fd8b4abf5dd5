from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.errors import ConfigError, PromptError
from dfqsam_core.progress import Cancelled
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, Volume, VolumeGeometry, VolumeSession
from dfqsam_core.volume.session.mask_prompts import deep_points, mask_prompts, shape_between, signed_distance
from dfqsam_core.volume.session.propagation import PropagationConfig, propagate
from dfqsam_core.volume.slices import SliceFrame

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor

CONFIG = PropagationConfig(box_margin=0.3, points=1, min_overlap=0.5, min_stability=0)


def a_cone(axis: int = 0) -> np.ndarray:
    """(K, J, I) uint8: discs of 200 in 40, growing from radius 4 at index 2 to 9 at index 12, nothing outside."""
    voxels = np.full((15, 28, 28), 40, np.uint8)
    y, x = np.mgrid[:28, :28]
    for index in range(2, 13):
        voxels[index][(x - 14) ** 2 + (y - 13) ** 2 <= (3 + index / 2) ** 2] = 200
    return np.moveaxis(voxels, 0, axis)


def a_session(voxels: np.ndarray) -> VolumeSession:
    volume = Volume(voxels, VolumeGeometry(np.diag([1.0, -1.0, 2.0, 1.0]), voxels.shape[::-1]))
    session = VolumeSession(volume, MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor())
    session.add_segment(1, "cone")
    return session


@pytest.mark.parametrize(("axis", "array_axis"), [("K", 0), ("J", 1), ("I", 2)])
def test_a_shape_is_followed_both_ways_to_where_it_ends(axis, array_axis):
    voxels = a_cone(array_axis)
    session = a_session(voxels)
    center = [14, 13]
    center.insert("IJK".index(axis), 7)
    session.add_prompt(1, PointPrompt(tuple(center) if axis != "I" else (7, 14, 13), axis=axis))
    result = propagate(session, 1, axis, 0, 14, CONFIG)
    np.testing.assert_array_equal(session.labels_kji, voxels == 200)
    assert [(stop.direction, stop.last_index) for stop in result.stops] == [(-1, 2), (1, 12)]
    assert all(stop.reason for stop in result.stops)
    assert sorted(edit.slice.index for edit in result.edits) == [2, 3, 4, 5, 6, 8, 9, 10, 11, 12]


def test_the_range_is_never_left():
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    result = propagate(session, 1, "K", 5, 8, CONFIG)
    assert set(np.nonzero(session.labels_kji)[0]) == {5, 6, 7, 8}
    assert {stop.reason for stop in result.stops} == {"end of the range"}


def test_propagation_is_one_undo_step():
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    before = session.labels_kji.copy()
    propagate(session, 1, "K", 0, 14, CONFIG)
    after = session.labels_kji.copy()
    edits = session.undo()
    assert len(edits) == 10
    np.testing.assert_array_equal(session.labels_kji, before)
    session.redo()
    np.testing.assert_array_equal(session.labels_kji, after)


def test_prompted_slices_and_other_segments_stay_as_they_are():
    session = a_session(a_cone())
    session.add_segment(2, "other")
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    session.add_prompt(2, BoxPrompt((0, 0, 8), (27, 27, 8)))
    session.add_prompt(1, BoxPrompt((13, 12, 9), (15, 14, 9)))
    small = session.mask(1, SliceKey("K", 9))
    propagate(session, 1, "K", 0, 14, CONFIG)
    np.testing.assert_array_equal(session.mask(1, SliceKey("K", 9)), small)
    assert session.mask(2, SliceKey("K", 8)).all()


def test_a_second_propagation_replaces_the_first():
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    propagate(session, 1, "K", 0, 14, CONFIG)
    session.add_prompt(1, BoxPrompt((5, 5, 5), (6, 6, 5)))
    result = propagate(session, 1, "K", 0, 14, CONFIG)
    assert result.stops[0].last_index == 5
    assert set(np.nonzero(session.labels_kji)[0]) == {5, *range(7, 13)}


def test_between_two_prompted_slices_the_shape_is_interpolated_where_the_model_fails():
    voxels = a_cone()
    voxels[6:9] = 40
    session = a_session(voxels)
    session.add_prompt(1, PointPrompt((14, 13, 5)))
    session.add_prompt(1, PointPrompt((14, 13, 9)))
    propagate(session, 1, "K", 5, 9, CONFIG)
    areas = (session.labels_kji > 0).sum(axis=(1, 2))[5:10]
    assert list(areas) == sorted(areas)
    full = (a_cone() == 200)[5:10]
    dice = 2 * (full & (session.labels_kji[5:10] > 0)).sum() / (full.sum() + areas.sum())
    assert dice > 0.95


def test_prompts_that_gave_no_mask_are_told_and_change_nothing():
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7), positive=False))
    result = propagate(session, 1, "K", 0, 14)
    assert result.edits == ()
    assert {stop.reason for stop in result.stops} == {"the prompted slices have no mask"}


def test_a_seed_at_the_end_of_the_range_still_says_its_direction():
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    stops = propagate(session, 1, "K", 7, 7).stops
    assert [(stop.direction, stop.last_index) for stop in stops] == [(-1, 7), (1, 7)]


def test_cancelling_leaves_the_session_as_it_was():
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    before = session.labels_kji.copy()

    def cancel(progress):
        if progress.done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        propagate(session, 1, "K", 0, 14, CONFIG, cancel)
    np.testing.assert_array_equal(session.labels_kji, before)
    session.undo()
    assert not session.labels_kji.any()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (PropagationConfig(min_predicted_iou=0.8), "predicted IoU 0.75 below 0.8"),
        (PropagationConfig(min_stability=1, min_overlap=0), "stability"),
    ],
)
def test_the_reason_of_a_stop_is_told(config, reason):
    session = a_session(a_cone())
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    result = propagate(session, 1, "K", 0, 14, config)
    assert all(reason in stop.reason and stop.last_index == 7 for stop in result.stops)
    assert result.edits == ()


def test_a_sudden_change_of_area_stops():
    voxels = a_cone()
    voxels[8:13] = 40
    voxels[8:13, 12:15, 13:16] = 200
    session = a_session(voxels)
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    result = propagate(
        session, 1, "K", 7, 12, PropagationConfig(box_margin=0.3, points=1, min_overlap=0, min_stability=0)
    )
    assert "area changes" in result.stops[1].reason


def test_what_cannot_be_propagated_is_refused():
    session = a_session(a_cone())
    with pytest.raises(PromptError, match="has no prompts"):
        propagate(session, 1, "K", 0, 14)
    session.add_prompt(1, PointPrompt((14, 13, 7)))
    with pytest.raises(PromptError, match="no prompts on the slices 9 to 12"):
        propagate(session, 1, "K", 9, 12)
    with pytest.raises(PromptError, match="no slices 5 to 15"):
        propagate(session, 1, "K", 5, 15)
    for wrong in (
        {"min_overlap": 2},
        {"max_area_ratio": 1},
        {"max_area_ratio": float("nan")},
        {"points": -1},
        {"box_margin": -1},
    ):
        with pytest.raises(ConfigError):
            PropagationConfig(**wrong)


def test_the_deepest_point_comes_first_and_the_next_is_far_from_it():
    mask = np.zeros((9, 20), bool)
    mask[2:7, 1:19] = True
    (first, second) = deep_points(mask, 2)
    assert first[1] == second[1] == 4
    assert abs(first[0] - second[0]) >= 3
    assert len(deep_points(np.eye(2, dtype=bool), 5)) == 2


def test_a_mask_on_the_border_gives_prompts_inside_the_image():
    frame = SliceFrame.of(VolumeGeometry(np.eye(4), (6, 5, 4)), "K")
    box, point = mask_prompts(np.ones((5, 6), bool), frame, 2, box_margin=0.5, points=1)
    assert box == BoxPrompt((0, 0, 2), (5, 4, 2))
    assert point.slice == SliceKey("K", 2)


def test_the_shape_half_way_between_two_discs_is_the_disc_between():
    y, x = np.mgrid[:41, :41]
    small, middle, large = ((x - 20) ** 2 + (y - 20) ** 2 <= r * r for r in (4, 8, 12))
    between = shape_between(small, large, 0.5)
    assert 2 * (between & middle).sum() / (between.sum() + middle.sum()) > 0.97
    np.testing.assert_array_equal(shape_between(small, large, 0), small)
    np.testing.assert_array_equal(shape_between(small, large, 1), large)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.3, 1.0]))
def test_the_frame_around_both_shapes_changes_nothing_between_them(seed, density):
    random = np.random.default_rng(seed)
    first, second = np.zeros((2, 12, 14), bool)
    for mask in (first, second):
        (top, bottom), (left, right) = np.sort(random.integers(0, 13, (2, 2)))
        mask[top : bottom + 1, left : right + 1] = (
            random.random(mask[top : bottom + 1, left : right + 1].shape) < density
        )
    whole = 0.3 * signed_distance(first) + 0.7 * signed_distance(second) > 0
    np.testing.assert_array_equal(shape_between(first, second, 0.7), whole)
