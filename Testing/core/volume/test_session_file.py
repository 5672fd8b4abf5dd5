from __future__ import annotations

import json

import numpy as np
import pytest

from dfqsam_core.errors import OutputError, PromptError
from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, Volume, VolumeGeometry, propagate
from dfqsam_core.volume.session.session_file import restore_session, save_session
from Testing.support.prompts import ANYWHERE

from .conftest import MODEL, GreyPredictor

K1 = SliceKey("K", 1)


@pytest.fixture
def saved(a_session, tmp_path):
    """A session with a box, a chosen candidate, a click across I, and propagated slices; and its file."""
    a_session.add_prompt(1, BoxPrompt((2, 1, 1), (5, 2, 1)))
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    propagate(a_session, 1, "K", 0, 3)
    a_session.add_prompt(2, PointPrompt((0, 0, 2), axis="I"))
    a_session.choose_mask(2, SliceKey("I", 0), 2)
    path = tmp_path / "session.json"
    save_session(path, a_session)
    return path


def test_a_restored_session_is_the_same_and_goes_on_the_same(saved, a_session, a_volume):
    restored = restore_session(saved, a_volume, MODEL, predictor=GreyPredictor())
    np.testing.assert_array_equal(restored.labels_kji, a_session.labels_kji)
    assert restored.window == a_session.window
    assert restored.segments == a_session.segments
    for label in (1, 2):
        assert restored.slices_of(label) == a_session.slices_of(label)
        for key in a_session.slices_of(label):
            assert restored.prompts(label, key) == a_session.prompts(label, key)
            a, b = restored.prediction(label, key), a_session.prediction(label, key)
            np.testing.assert_array_equal(a.low_res_masks, b.low_res_masks)
            np.testing.assert_array_equal(a.packed_masks, b.packed_masks)
            np.testing.assert_array_equal(a.predicted_iou, b.predicted_iou)
            assert a.chosen == b.chosen
            assert a.trust == b.trust
    for session in (restored, a_session):
        session.choose_mask(2, SliceKey("I", 0), 1)
        session.add_prompt(1, PointPrompt((0, 0, 1), positive=False))
        propagate(session, 1, "K", 0, 3)
    np.testing.assert_array_equal(restored.labels_kji, a_session.labels_kji)


def test_the_trust_in_a_propagated_slice_is_kept(a_session, a_volume, tmp_path):
    a_session.add_prompt(1, BoxPrompt((2, 1, 1), (5, 2, 1)))
    propagate(a_session, 1, "K", 0, 3, ANYWHERE)
    save_session(tmp_path / "session.json", a_session)
    restored = restore_session(tmp_path / "session.json", a_volume, MODEL, predictor=GreyPredictor())
    trust = [restored.prediction(1, SliceKey("K", k)).trust for k in range(4)]
    assert trust == [a_session.prediction(1, SliceKey("K", k)).trust for k in range(4)]
    assert [one is None for one in trust] == [False, True, False, False], "of all but the prompted one"
    other = restored.prediction(1, SliceKey("K", 2)).with_choice(0)
    assert (other.trust is None) == (restored.prediction(1, SliceKey("K", 2)).chosen != 0)


def test_saving_twice_gives_the_same_bytes(saved, a_volume, tmp_path):
    save_session(tmp_path / "again.json", restore_session(saved, a_volume, MODEL, predictor=GreyPredictor()))
    assert (tmp_path / "again.json").read_bytes() == saved.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        save_session(saved, restore_session(saved, a_volume, MODEL, predictor=GreyPredictor()))


def test_another_volume_or_model_is_refused(saved, a_volume):
    changed = a_volume.voxels_kji.copy()
    changed[0, 0, 0] += 1
    with pytest.raises(PromptError, match="another volume"):
        restore_session(saved, Volume(changed, a_volume.geometry), MODEL, predictor=GreyPredictor())
    with pytest.raises(PromptError, match="another model"):
        restore_session(saved, a_volume, type(MODEL)(digest="1" * 64), predictor=GreyPredictor())


def prediction_of(content):
    return content["segments"][0]["slices"][0]["prediction"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.update(format="dfqsam session 9"),
        lambda c: c.pop("window"),
        lambda c: c.update(window={"width": 0, "level": 0, "source": ""}),
        lambda c: c.update(window={"width": "a", "level": 0, "source": ""}),
        lambda c: c.update(window={"width": 10**400, "level": 0, "source": ""}),
        lambda c: c["volume"]["ijk_to_ras"][0].__setitem__(0, 10**400),
        lambda c: c["segments"][1].update(label=1),
        lambda c: c["segments"][0].update(label=0),
        lambda c: c["segments"][0]["slices"][0].update(index=99),
        lambda c: c["segments"][0]["slices"][0].update(axis="X"),
        lambda c: c["segments"][1]["slices"][0]["prompts"][0].update(position=[0, 99, 0]),
        lambda c: prediction_of(c).update(chosen=3),
        lambda c: prediction_of(c).update(masks="AAAA"),
        lambda c: prediction_of(c).update(masks=5),
        lambda c: prediction_of(c).update(low_res_side=10**9),
        lambda c: prediction_of(c).update(low_res_masks=prediction_of(c)["masks"]),
        lambda c: prediction_of(c).update(predicted_iou=["a", "b", "c"]),
        lambda c: prediction_of(c).update(predicted_iou=[10**400, 0, 0]),
        lambda c: prediction_of(c).update(trust=5),
        lambda c: prediction_of(c).update(trust={"predicted_iou": 1, "neighbours": None, "planes": None}),
        lambda c: prediction_of(c).update(trust={"predicted_iou": 1, "neighbours": 1.5, "planes": None}),
    ],
)
def test_a_damaged_file_is_refused(saved, a_volume, damage):
    content = json.loads(saved.read_text())
    damage(content)
    saved.write_text(json.dumps(content))
    with pytest.raises(PromptError):
        restore_session(saved, a_volume, MODEL, predictor=GreyPredictor())


def test_a_grid_that_a_file_format_rounded_is_the_same_volume_and_a_moved_one_is_not(saved, a_session, a_volume):
    for shift_mm, is_same in ((1e-5, True), (0.1, False)):
        matrix = a_volume.geometry.ijk_to_ras.copy()
        matrix[:3, 3] += shift_mm
        moved = Volume(a_volume.voxels_kji, VolumeGeometry(matrix, a_volume.geometry.shape_ijk))
        if is_same:
            restored = restore_session(saved, moved, MODEL, predictor=GreyPredictor())
            np.testing.assert_array_equal(restored.labels_kji, a_session.labels_kji)
        else:
            with pytest.raises(PromptError, match="another volume"):
                restore_session(saved, moved, MODEL, predictor=GreyPredictor())
