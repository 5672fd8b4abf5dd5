"""A click on a slice that has a mask but no prompts corrects that mask: the embedded 4-bit model on the embedded CT."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core import load_model
from dfqsam_core.evaluate import dice
from dfqsam_core.resources import DEMO_LABELS, DEMO_MODEL, DEMO_VOLUME, resource_path
from dfqsam_core.volume import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    SliceKey,
    VolumeSession,
    propagate,
    read_prompts,
    read_volume,
    restore_session,
    save_session,
    segment_volume,
)
from dfqsam_core.volume.prompts import without_prompt
from dfqsam_core.volume.session.slice_predictor import SlicePrediction
from dfqsam_core.volume.session.slice_state import SliceState

LIVER, SPLEEN = 5, 1
K16, K20 = SliceKey("K", 16), SliceKey("K", 20)


@pytest.fixture(scope="module")
def model():
    return load_model(resource_path(DEMO_MODEL), threads=1)


@pytest.fixture(scope="module")
def volume():
    return read_volume(resource_path(DEMO_VOLUME))


@pytest.fixture(scope="module")
def labels():
    """(K, J, I), read by SimpleITK."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(resource_path(DEMO_LABELS))))


@pytest.fixture
def session(volume, model, labels):
    """The liver, prompted by a box on slice 24 and propagated to the slices 14 to 28."""
    found = VolumeSession(volume, model)
    found.add_segment(1, "liver")
    found.add_prompt(1, tight_box(labels[24] == LIVER, 24))
    propagate(found, 1, "K", 14, 28)
    return found


def tight_box(mask, k):
    rows, columns = np.nonzero(mask)
    return BoxPrompt((int(columns.min()), int(rows.min()), k), (int(columns.max()), int(rows.max()), k))


def middle(region):
    """Row and column of the pixel of a region that is deepest inside of its largest part, by SimpleITK."""
    image = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray(region.astype(np.uint8))))
    depth = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image == 1, squaredDistance=False))
    return np.unravel_index(int(depth.argmin()), depth.shape)


def worst_click(mask, label, k):
    """In the middle of the larger of what is missing and what is too much."""
    is_missing = np.count_nonzero(label & ~mask) >= np.count_nonzero(mask & ~label)
    row, column = middle(label & ~mask if is_missing else mask & ~label)
    return PointPrompt((int(column), int(row), k), is_missing)


def negative_inside(session, key):
    """A negative click near the mask's border."""
    row, column = np.argwhere(session.mask(1, key))[3]
    return PointPrompt((int(column), int(row), key.index), positive=False)


def test_one_click_on_a_propagated_slice_makes_it_better_and_three_more_so(session, labels):
    before, after = [], []
    for k in range(14, 29, 2):
        key, label = SliceKey("K", k), labels[k] == LIVER
        if session.prompts(1, key) or not session.mask(1, key).any():
            continue
        scores = [dice(session.mask(1, key), label)]
        for _ in range(3):
            click = worst_click(session.mask(1, key), label, k)
            edit = session.add_prompt(1, click)
            scores.append(dice(edit.after, label))
        before.append(scores[0])
        after.append(scores[1:])
        assert min(scores[1:]) > scores[0] - 0.05, k
    assert len(before) >= 5
    one, _, three = np.mean(after, axis=0)
    assert np.mean(before) + 0.01 < one < three


def test_a_negative_click_takes_away_what_is_there_and_leaves_the_rest(session):
    before = session.mask(1, K20)
    click = negative_inside(session, K20)
    edit = session.add_prompt(1, click)
    i, j, _ = click.ijk
    assert before[j, i]
    assert not edit.after[j, i]
    assert np.count_nonzero(edit.after & before) > 0.8 * np.count_nonzero(before)
    assert edit.note == ""


def test_a_positive_click_adds_and_leaves_the_rest(session):
    before = session.mask(1, K20)
    row, column = np.argwhere(before)[-1]
    click = PointPrompt((int(column), int(row) + 2, 20))
    after = session.add_prompt(1, click).after
    assert not before[row + 2, column]
    assert after[row + 2, column]
    assert np.count_nonzero(after & before) > 0.8 * np.count_nonzero(before)


def test_further_clicks_start_from_the_new_mask(session, volume, model):
    first = negative_inside(session, K20)
    corrected = session.add_prompt(1, first).after
    second = negative_inside(session, K20)
    i, j, _ = second.ijk
    assert corrected[j, i]
    both = session.add_prompt(1, second).after
    assert not both[j, i]
    assert not both[first.ijk[1], first.ijk[0]]
    # One after the other, not both at once from the propagated mask.
    session.undo()
    session.undo()
    given = session.set_prompts(1, K20, (first, second)).after
    np.testing.assert_array_equal(given, both)


def test_undo_goes_back_exactly_and_a_prompt_taken_back_gives_the_mask_before_it(session):
    propagated = session.mask(1, K20)
    prediction = session.prediction(1, K20)
    first = negative_inside(session, K20)
    one = session.add_prompt(1, first).after
    second = negative_inside(session, K20)
    two = session.add_prompt(1, second).after
    session.undo()
    np.testing.assert_array_equal(session.mask(1, K20), one)
    session.redo()
    np.testing.assert_array_equal(session.mask(1, K20), two)
    np.testing.assert_array_equal(session.remove_prompt(1, second).after, one)
    np.testing.assert_array_equal(session.remove_prompt(1, first).after, propagated)
    assert session.prediction(1, K20) is prediction
    for _ in range(4):
        session.undo()
    np.testing.assert_array_equal(session.mask(1, K20), propagated)
    assert session.prompts(1, K20) == ()


def test_a_session_file_goes_on_with_the_same_corrections(session, volume, model, tmp_path):
    first = negative_inside(session, K20)
    session.add_prompt(1, first)
    second = negative_inside(session, K20)
    save_session(tmp_path / "session.json", session)
    restored = restore_session(tmp_path / "session.json", volume, model)
    np.testing.assert_array_equal(restored.labels_kji, session.labels_kji)
    expected = session.add_prompt(1, second).after
    np.testing.assert_array_equal(restored.add_prompt(1, second).after, expected)
    np.testing.assert_array_equal(restored.remove_prompt(1, second).after, session.remove_prompt(1, second).after)
    np.testing.assert_array_equal(restored.remove_prompt(1, first).after, session.remove_prompt(1, first).after)


def test_a_box_says_anew_what_the_segment_is_and_taking_it_back_corrects_again(session, labels):
    click = negative_inside(session, K20)
    corrected = session.add_prompt(1, click).after
    box = tight_box(labels[20] == SPLEEN, 20)
    boxed = session.add_prompt(1, box).after
    assert np.count_nonzero(boxed & (labels[20] == SPLEEN)) > 0.5 * np.count_nonzero(boxed)
    np.testing.assert_array_equal(session.remove_prompt(1, box).after, corrected)


def test_a_corrected_slice_is_where_the_next_propagation_starts_and_it_stays(session):
    click = negative_inside(session, K20)
    corrected = session.add_prompt(1, click).after
    propagate(session, 1, "K", 14, 28)
    np.testing.assert_array_equal(session.mask(1, K20), corrected)
    assert session.prompted_slices(1, "K") == [20, 24]


def test_a_negative_scribble_and_lasso_take_away_what_they_cover(session):
    for n, key in enumerate((K16, K20)):
        before = session.mask(1, key)
        row, column = (int(value) for value in np.argwhere(before)[3])
        inside = np.flatnonzero(before[row + 2])
        path = tuple((int(i), row + 2, key.index) for i in inside[:6])
        around = ((column - 4, row - 4), (column + 4, row - 4), (column + 4, row + 1), (column - 4, row + 1))
        lasso = LassoPrompt(tuple((i, j, key.index) for i, j in around), positive=False)
        prompt = lasso if n else ScribblePrompt(path, positive=False)
        after = session.add_prompt(1, prompt).after
        assert 0.6 * np.count_nonzero(before) < np.count_nonzero(after & before) < np.count_nonzero(before)


def test_a_negative_prompt_where_there_is_nothing_says_so(session):
    edit = session.add_prompt(1, PointPrompt((60, 60, 5), positive=False))
    assert not edit.after.any()
    assert "on slice K 5 selects nothing" in edit.note
    assert session.remove_prompt(1, PointPrompt((60, 60, 5), positive=False)).note == ""


def test_a_far_click_adds_an_island(session, labels):
    before = session.mask(1, K20)
    row, column = middle(labels[20] == SPLEEN)
    assert not before[row, column]
    edit = session.add_prompt(1, PointPrompt((int(column), int(row), 20)))
    assert edit.after[row, column]
    assert not (before & ~edit.after).any()
    added = edit.after & ~before
    assert dice(added, labels[20] == SPLEEN) > 0.6


def with_mask(session, mask, k):
    """The session with a mask on a slice that it did not predict, as a script may give it."""
    prediction = SlicePrediction.of(mask[None], np.array([np.nan], np.float32), np.zeros((1, 64, 64), np.float16))
    session.restore_state(1, SliceKey("K", k), SliceState((), prediction))


def test_a_click_that_takes_all_away_says_so(session):
    mask = np.zeros((101, 122), bool)
    mask[50, 60] = True
    with_mask(session, mask, 5)
    edit = session.add_prompt(1, PointPrompt((60, 50, 5), positive=False))
    assert not edit.after.any()
    assert "took away all that the segment had" in edit.note
    session.undo()
    np.testing.assert_array_equal(session.mask(1, SliceKey("K", 5)), mask)


class ElsewhereModel:
    """Answers with one corner of the image, whatever it is asked, as a model that is lost."""

    def __init__(self, answer):
        self.answer = answer
        self.shape = (0, 0)

    def set_image(self, image):
        self.shape = image.shape

    def get_image_embedding(self):
        return np.zeros((1, 1), np.float32)

    def set_image_embedding(self, embedding, original_size):
        self.shape = original_size

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        masks = np.zeros((3, *self.shape), bool)
        masks[:, : self.answer, : self.answer] = True
        return masks, np.array([0.9, 0.8, 0.7], np.float32), np.zeros((3, 64, 64), np.float32)


@pytest.mark.parametrize(("answer", "reason"), [(0, "answer is empty"), (5, "leaves more than half of the mask")])
def test_where_the_model_is_lost_the_edit_stays_and_a_sentence_says_so(volume, model, answer, reason):
    session = VolumeSession(volume, model, predictor=ElsewhereModel(answer))
    session.add_segment(1, "liver")
    mask = np.zeros((101, 122), bool)
    mask[40:60, 40:60] = True
    with_mask(session, mask, 5)
    edit = session.add_prompt(1, PointPrompt((44, 50, 5), positive=False))
    rows, columns = np.mgrid[:101, :122]
    # Four pixels from the click to the last column of the mask, five to what is outside.
    disc = (rows - 50) ** 2 + (columns - 44) ** 2 <= 5**2
    np.testing.assert_array_equal(edit.after, mask & ~disc)
    assert reason in edit.note
    assert edit.predicted_iou is not None
    assert np.isnan(edit.predicted_iou)


class DeafModel(ElsewhereModel):
    """Answers with the whole box, whatever the clicks."""

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        masks, estimates, low_res = super().predict()
        x0, y0, x1, y1 = box.astype(int)
        masks[:, y0:y1, x0:x1] = True
        return masks, estimates, low_res


def test_where_the_model_does_not_follow_the_click_the_edit_stays_and_a_sentence_says_so(volume, model):
    session = VolumeSession(volume, model, predictor=DeafModel(0))
    session.add_segment(1, "liver")
    mask = np.zeros((101, 122), bool)
    mask[40:60, 40:60] = True
    with_mask(session, mask, 5)
    edit = session.add_prompt(1, PointPrompt((44, 50, 5), positive=False))
    assert not edit.after[50, 44]
    assert edit.after[41, 41]
    assert "does not follow your click" in edit.note
    np.testing.assert_array_equal(session.choose_mask(1, SliceKey("K", 5), 0).after, mask)


def test_the_edit_alone_is_the_last_candidate(session):
    before = session.mask(1, K20)
    click = negative_inside(session, K20)
    session.add_prompt(1, click)
    edit = session.choose_mask(1, K20, 2)
    removed = before & ~edit.after
    assert removed[click.ijk[1], click.ijk[0]]
    assert not (edit.after & ~before).any()
    assert np.count_nonzero(removed) < 0.05 * np.count_nonzero(before)


def test_a_click_across_another_axis_corrects_what_was_propagated_and_wins_on_its_slice(session):
    key = SliceKey("I", 85)
    before = session.region(1, key)
    assert before.sum() > 100
    row, column = (int(value) for value in middle(before))
    click = PointPrompt((85, column, row), positive=False, axis="I")
    edit = session.add_prompt(1, click)
    assert not edit.after[row, column]
    assert not session.labels_kji[row, column, 85]
    assert session.labels_kji[row].sum() > 100
    session.undo()
    np.testing.assert_array_equal(session.labels_kji[:, :, 85] == 1, before)


def test_where_corrections_along_two_axes_cross_the_later_one_counts(session, volume, model, tmp_path):
    row, column = (int(value) for value in middle(session.mask(1, K20)))
    here = (column, row, 20)
    session.add_prompt(1, PointPrompt(here, positive=True))
    session.add_prompt(1, PointPrompt(here, positive=False, axis="I"))
    assert not session.labels_kji[20, row, column]
    session.add_prompt(1, PointPrompt((column + 1, row, 20)))
    assert session.labels_kji[20, row, column]
    save_session(tmp_path / "session.json", session)
    restored = restore_session(tmp_path / "session.json", volume, model)
    np.testing.assert_array_equal(restored.labels_kji, session.labels_kji)
    session.undo()
    assert not session.labels_kji[20, row, column]


def test_a_first_click_where_lone_slices_of_another_axis_cross_is_predicted_by_itself(volume, model, labels):
    click = PointPrompt((85, 50, 24), axis="I")
    alone = VolumeSession(volume, model)
    alone.add_segment(1, "liver")
    crossed = VolumeSession(volume, model)
    crossed.add_segment(1, "liver")
    crossed.add_prompt(1, tight_box(labels[24] == LIVER, 24))
    expected = alone.add_prompt(1, click).after
    np.testing.assert_array_equal(crossed.add_prompt(1, click).after, expected)


def test_a_prompts_file_corrects_after_the_propagation_as_a_session_does(session, volume, model, labels, tmp_path):
    box = tight_box(labels[24] == LIVER, 24)
    first = negative_inside(session, K20)
    session.add_prompt(1, first)
    second = negative_inside(session, K20)
    session.add_prompt(1, second)
    points = [{"type": "point", "position": list(p.ijk), "positive": False, "axis": "K"} for p in (first, second)]
    segment = {"name": "liver", "label": 1, "propagate": {"first": 14, "last": 28}, "corrections": points}
    segment["prompts"] = [{"type": "box", "corners": [list(box.low_ijk), list(box.high_ijk)], "axis": "K"}]
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"coordinate_system": "IJK", "segments": [segment]}), encoding="utf-8")
    result = segment_volume(volume, read_prompts(path, volume.geometry), model)
    np.testing.assert_array_equal(result.labels_kji, session.labels_kji)
    assert result.report["correction_notes"] == []


def test_a_prompt_taken_back_of_several_leaves_those_before_it(session):
    first, prompts = negative_inside(session, K20), []
    for _ in range(3):
        prompts.append(negative_inside(session, K20))
        session.add_prompt(1, prompts[-1])
    assert prompts[0] == first
    left = without_prompt(tuple(prompts), prompts[1])
    taken_back = session.remove_prompt(1, prompts[1]).after
    for _ in range(4):
        session.undo()
    np.testing.assert_array_equal(session.set_prompts(1, K20, left).after, taken_back)
