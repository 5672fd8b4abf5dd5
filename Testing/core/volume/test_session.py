from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfqsam_core.errors import PromptError
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, Volume, VolumeSession, WindowLevel
from dfqsam_core.volume.session.session import SliceState

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor
from .strategies import geometries_with_voxels

K1, K2 = SliceKey("K", 1), SliceKey("K", 2)
BLOCK = np.zeros((5, 6), bool)
BLOCK[1:3, 2:5] = True


def test_a_click_selects_its_region_on_its_slice_only(a_session):
    edit = a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    np.testing.assert_array_equal(edit.before, np.zeros((5, 6), bool))
    np.testing.assert_array_equal(edit.after, BLOCK)
    assert edit.predicted_iou == 0.75
    np.testing.assert_array_equal(a_session.labels_kji[1], BLOCK)
    assert a_session.labels_kji[[0, 2, 3]].sum() == 0


@pytest.mark.parametrize("axis", "IJK")
def test_a_click_works_across_each_axis(a_session, axis):
    a_session.add_prompt(2, PointPrompt((3, 2, 1), axis=axis))
    touched = [np.unique(places) for places in np.nonzero(a_session.labels_kji)][::-1]
    normal = "IJK".index(axis)
    np.testing.assert_array_equal(touched[normal], [(3, 2, 1)[normal]])
    assert a_session.labels_kji[1, 2, 3] == 2


def test_a_negative_click_takes_its_region_away(a_session):
    a_session.add_prompt(1, BoxPrompt((0, 0, 1), (5, 3, 1)))
    assert a_session.mask(1, K1).sum() == 24
    a_session.add_prompt(1, PointPrompt((3, 2, 1), positive=False))
    np.testing.assert_array_equal(a_session.mask(1, K1)[:4], ~BLOCK[:4])


def test_a_box_includes_both_corners_in_any_order(a_session):
    for corners in [((2, 1, 1), (4, 2, 1)), ((4, 2, 1), (2, 1, 1)), ((2, 2, 1), (4, 1, 1)), ((4, 1, 1), (2, 2, 1))]:
        a_session.add_prompt(1, BoxPrompt.from_corners(*corners))
        np.testing.assert_array_equal(a_session.mask(1, K1), BLOCK)
    assert len(a_session.prompts(1, K1)) == 1


@given(geometries_with_voxels(count=2), st.sampled_from("IJK"))
@settings(max_examples=50)
def test_a_box_covers_exactly_its_voxels_on_any_grid(geometry_and_voxels, axis):
    geometry, (a, b) = geometry_and_voxels
    normal = "IJK".index(axis)
    b = tuple(a[n] if n == normal else b[n] for n in range(3))
    volume = Volume(np.zeros(geometry.shape_ijk[::-1], np.uint8), geometry)
    session = VolumeSession(volume, MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor())
    session.add_segment(1, "x")
    session.add_prompt(1, BoxPrompt.from_corners(a, b, axis))
    expected = np.zeros(volume.voxels_kji.shape, np.uint16)
    expected[tuple(slice(min(p, q), max(p, q) + 1) for p, q in zip(a[::-1], b[::-1], strict=True))] = 1
    np.testing.assert_array_equal(session.labels_kji, expected)


def test_two_clicks_on_a_slice_encode_it_once(a_session, a_predictor):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    a_session.add_prompt(1, PointPrompt((2, 1, 1)))
    a_session.add_prompt(2, PointPrompt((0, 0, 1)))
    assert len(a_predictor.encoded) == a_session.slices.encodings == 1
    a_session.add_prompt(1, PointPrompt((3, 2, 2)))
    assert len(a_predictor.encoded) == 2


def test_another_voxel_window_model_or_engine_encodes_anew_and_equal_content_does_not(a_volume):
    cache, predictor = EmbeddingCache(), GreyPredictor()

    def click(volume, window=BYTE_WINDOW, model=MODEL):
        session = VolumeSession(volume, model, window, cache=cache, predictor=predictor)
        session.add_segment(1, "x")
        session.add_prompt(1, PointPrompt((3, 2, 1)))
        return len(predictor.encoded)

    changed = a_volume.voxels_kji.copy()
    changed[1, 0, 0] += 1
    assert click(a_volume) == 1
    assert click(Volume(a_volume.voxels_kji.copy(), a_volume.geometry)) == 1
    assert click(Volume(changed, a_volume.geometry)) == 2
    assert click(a_volume, WindowLevel(100, 50)) == 3
    assert click(a_volume, model=type(MODEL)(digest="1" * 64)) == 4
    assert click(a_volume, model=type(MODEL)(MODEL.digest, engine="openvino")) == 5


def test_an_emptied_cache_changes_nothing(a_session):
    first = a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    a_session.slices.embeddings._cache.clear()
    again = a_session.set_prompts(1, K1, a_session.prompts(1, K1))
    np.testing.assert_array_equal(again.after, first.after)


def test_later_segments_do_not_take_voxels_of_earlier_ones(a_session):
    a_session.add_prompt(2, BoxPrompt((2, 1, 1), (4, 2, 1)))
    a_session.add_prompt(1, BoxPrompt((3, 0, 1), (3, 4, 1)))
    expected = np.where(BLOCK, 2, 0)
    expected[:, 3] = 1
    np.testing.assert_array_equal(a_session.labels_kji[1], expected)
    np.testing.assert_array_equal(a_session.mask(2, K1), BLOCK)


def test_a_segment_that_overwrites_takes_them(a_session):
    a_session.add_segment(3, "tumour", overwrite=True)
    a_session.add_prompt(1, BoxPrompt((2, 1, 1), (4, 2, 1)))
    a_session.add_prompt(3, BoxPrompt((3, 0, 1), (3, 4, 1)))
    expected = np.where(BLOCK, 1, 0)
    expected[:, 3] = 3
    np.testing.assert_array_equal(a_session.labels_kji[1], expected)


def test_slices_of_two_axes_share_their_line(a_session):
    a_session.add_prompt(1, BoxPrompt((0, 0, 1), (5, 4, 1)))
    a_session.add_prompt(2, BoxPrompt((3, 0, 0), (3, 4, 3), "I"))
    np.testing.assert_array_equal(a_session.labels_kji[1], np.ones((5, 6)))
    a_session.set_prompts(1, K1, ())
    expected = np.zeros((4, 5, 6))
    expected[:, :, 3] = 2
    np.testing.assert_array_equal(a_session.labels_kji, expected)


def test_undo_restores_the_slice_exactly_and_redo_repeats_it(a_session):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    before = a_session.labels_kji.copy()
    a_session.add_prompt(1, PointPrompt((0, 0, 1)))
    after = a_session.labels_kji.copy()
    (edit,) = a_session.undo()
    np.testing.assert_array_equal(a_session.labels_kji, before)
    np.testing.assert_array_equal(edit.after, BLOCK)
    assert a_session.prompts(1, K1) == (PointPrompt((3, 2, 1)),)
    a_session.redo()
    np.testing.assert_array_equal(a_session.labels_kji, after)
    a_session.undo()
    a_session.undo()
    assert a_session.labels_kji.sum() == 0
    assert a_session.undo() == ()


def snapshot(session):
    keys = [SliceKey(axis, n) for axis in "IJK" for n in range(session.volume.geometry.size_along(axis))]
    masks = b"".join(session.mask(label, key).tobytes() for label in (1, 2) for key in keys)
    prompts = [session.prompts(label, key) for label in (1, 2) for key in keys]
    return session.labels_kji.tobytes(), masks, prompts


def test_200_random_actions_undo_and_redo_bit_for_bit(a_session):
    rng = np.random.default_rng(7)
    states = [snapshot(a_session)]
    while len(states) <= 200:
        axis, label = "IJK"[rng.integers(3)], int(rng.integers(1, 3))
        a, b = (tuple(int(n) for n in rng.integers(0, (6, 5, 4))) for _ in range(2))
        if rng.random() < 0.4:
            b = tuple(a[n] if "IJK"[n] == axis else b[n] for n in range(3))
            a_session.add_prompt(label, BoxPrompt.from_corners(a, b, axis))
        elif rng.random() < 0.3 and a_session.prediction(label, key := SliceKey(axis, a["IJK".index(axis)])):
            a_session.choose_mask(label, key, int(rng.integers(3)))
        else:
            a_session.add_prompt(label, PointPrompt(a, bool(rng.random() < 0.7), axis))
        states.append(snapshot(a_session))
    for expected in states[-2::-1]:
        a_session.undo()
        assert snapshot(a_session) == expected
    for expected in states[1:]:
        a_session.redo()
        assert snapshot(a_session) == expected


def test_a_new_action_forgets_what_was_undone(a_session):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    a_session.undo()
    a_session.add_prompt(1, PointPrompt((3, 2, 2)))
    assert not a_session.can_redo
    assert a_session.redo() == ()


def test_a_prompt_on_one_slice_never_changes_another(a_session):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    before = a_session.labels_kji.copy()
    a_session.add_prompt(1, PointPrompt((0, 0, 2)))
    np.testing.assert_array_equal(a_session.labels_kji[[0, 1, 3]], before[[0, 1, 3]])


def test_removing_the_last_positive_prompt_empties_the_slice(a_session):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    a_session.add_prompt(1, PointPrompt((0, 0, 1), positive=False))
    edit = a_session.remove_prompt(1, PointPrompt((3, 2, 1)))
    assert not edit.after.any()
    assert edit.predicted_iou is None


def test_each_candidate_can_be_chosen(a_session):
    a_session.add_prompt(1, BoxPrompt((2, 1, 1), (5, 2, 1)))
    a_session.choose_mask(1, K1, 0)
    assert a_session.mask(1, K1).sum() == 6
    a_session.undo()
    assert a_session.mask(1, K1).sum() == 8


def test_refining_feeds_the_present_mask_back(a_session, a_predictor, monkeypatch):
    fed = []
    predict = a_predictor.predict

    def spy(**given):
        fed.append(given["mask_input"])
        return predict(**given)

    monkeypatch.setattr(a_predictor, "predict", spy)
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    logits = a_session.prediction(1, K1).low_res_masks[1]
    a_session.add_prompt(1, PointPrompt((2, 1, 1)), refine=True)
    a_session.add_prompt(1, PointPrompt((4, 1, 1)))
    assert fed[0] is None
    np.testing.assert_array_equal(fed[1], logits[None])
    assert fed[2] is None


def test_a_failed_prediction_leaves_the_state_as_it_was(a_session, a_predictor, monkeypatch):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    before = snapshot(a_session)

    def fail(*args, **kwargs):
        raise RuntimeError("engine")

    monkeypatch.setattr(a_predictor, "predict", fail)
    with pytest.raises(RuntimeError, match="engine"):
        a_session.add_prompt(1, PointPrompt((0, 0, 1)))
    assert snapshot(a_session) == before


def test_the_volume_and_what_is_handed_out_cannot_be_written(a_session, a_volume):
    before = a_volume.voxels_kji.tobytes()
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    for array in (a_volume.voxels_kji, a_session.labels_kji):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 1
    a_session.mask(1, K1)[...] = False
    np.testing.assert_array_equal(a_session.mask(1, K1), BLOCK)
    assert a_volume.voxels_kji.tobytes() == before


def test_what_does_not_fit_is_refused(a_session):
    with pytest.raises(PromptError, match="no segment with the label 9"):
        a_session.add_prompt(9, PointPrompt((0, 0, 0)))
    with pytest.raises(PromptError, match="not on slice"):
        a_session.add_prompt(1, PointPrompt((6, 0, 0)))
    with pytest.raises(PromptError, match="no slice K = 4"):
        a_session.set_prompts(1, SliceKey("K", 4), ())
    with pytest.raises(PromptError, match="no such prompt"):
        a_session.remove_prompt(1, PointPrompt((0, 0, 0)))
    with pytest.raises(PromptError, match="no candidate"):
        a_session.choose_mask(1, K1, 0)
    with pytest.raises(PromptError, match="in use"):
        a_session.add_segment(1, "again")


def test_an_equal_point_is_kept_once_and_comes_last(a_session, a_predictor):
    first, second = PointPrompt((3, 2, 1)), PointPrompt((2, 1, 1))
    for prompt in (first, second, first):
        a_session.add_prompt(1, prompt)
    assert a_session.prompts(1, K1) == (second, first)
    a_session.remove_prompt(1, first)
    assert a_session.prompts(1, K1) == (second,)


def test_a_state_that_is_put_back_is_no_undo_step(a_session):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    state = a_session.state(1, K1)
    a_session.add_prompt(1, PointPrompt((0, 0, 1)))
    a_session.restore_state(1, K1, state)
    np.testing.assert_array_equal(a_session.labels_kji[1], BLOCK)
    a_session.undo()
    np.testing.assert_array_equal(a_session.mask(1, K1), BLOCK)
    a_session.undo()
    assert not a_session.labels_kji.any()
    assert not a_session.can_undo


def test_no_label_map_is_painted_before_somebody_asks_for_one(monkeypatch, a_session):
    painted = []
    monkeypatch.setattr("dfqsam_core.volume.session.session.repaint", lambda _labels, key, *_: painted.append(key))
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    a_session.add_prompt(2, PointPrompt((0, 0, 1)))
    a_session.undo()
    assert painted == []
    _ = a_session.labels_kji
    _ = a_session.labels_kji
    assert painted == [K1]


def test_an_action_that_is_refused_on_one_slice_changes_none(a_session):
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    before, given = snapshot(a_session), a_session.state(1, K1)
    with pytest.raises(PromptError, match="not on slice"):
        a_session.apply(1, {K2: SliceState(), K1: SliceState(), SliceKey("K", 3): given})
    assert snapshot(a_session) == before
    a_session.undo()
    assert not a_session.can_undo


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "a" * 1001, "\ud800"])
def test_a_segment_has_no_name_that_no_file_can_hold(a_volume: Volume, name: str) -> None:
    session = VolumeSession(a_volume, MODEL, BYTE_WINDOW, predictor=GreyPredictor())
    with pytest.raises(PromptError, match="name"):
        session.add_segment(1, name)
    assert session.segments == ()
