"""Towards a known end the chain does not stop; other axes have a say where that is asked for; the next prompt."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from dfqsam_core.progress import Cancelled
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import (
    BoxPrompt,
    Extent,
    PropagationConfig,
    SliceKey,
    ThoroughCost,
    Volume,
    VolumeGeometry,
    VolumeSession,
    propagate,
)
from dfqsam_core.volume.session.propagation.shapes import scaled_mask, taper

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor

# The predictor below has logits of one value.
CONFIG = PropagationConfig(min_stability=0)
BOX = BoxPrompt((6, 6, 4), (15, 15, 4))


class GivesUp(GreyPredictor):
    """As the grey one, but empty on slices that are all of one grey."""

    def predict(self, *arguments, **prompts):
        masks, estimates, logits = super().predict(*arguments, **prompts)
        return masks & (self.image.max() > self.image.min()), estimates, logits


def a_session(spacing_k: float = 1.0, predictor: type[GreyPredictor] = GivesUp, shown: int = 7) -> VolumeSession:
    """A bright bar along K, prompted on slice 4; from slice `shown` on nothing is to be seen."""
    voxels = np.full((14, 22, 22), 40, np.uint8)
    voxels[:shown, 6:16, 6:16] = 200
    geometry = VolumeGeometry(np.diag([-1.0, -1.0, spacing_k, 1.0]), voxels.shape[::-1])
    session = VolumeSession(Volume(voxels, geometry), MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=predictor())
    session.add_segment(1, "bar")
    session.add_prompt(1, BOX)
    return session


def areas(session: VolumeSession) -> list[int]:
    return np.count_nonzero(session.labels_kji, axis=(1, 2)).tolist()


def test_where_the_model_gives_up_before_a_known_end_the_mask_stands_in_ever_smaller():
    unknown = a_session()
    stops = propagate(unknown, 1, "K", 0, 13, CONFIG).stops
    assert (stops[1].last_index, areas(unknown)[7:]) == (6, [0] * 7)
    known = a_session()
    known.extents.put(1, Extent("K", last=10))
    stops = propagate(known, 1, "K", 0, 13, CONFIG).stops
    assert (stops[1].last_index, stops[1].reason) == (10, "end of the object")
    found = areas(known)
    assert found[:7] == areas(unknown)[:7]
    assert 100 > found[7] > found[8] > found[9] > found[10] > 0
    assert found[11:] == [0, 0, 0]
    assert np.isnan(known.prediction(1, SliceKey("K", 8)).chosen_iou)


def test_where_the_volume_cuts_the_object_it_gets_no_smaller():
    session = a_session()
    session.extents.put(1, Extent("K", last=13))
    propagate(session, 1, "K", 0, 13, CONFIG)
    assert areas(session)[8:] == [areas(session)[7]] * 6


def test_a_range_that_ends_before_the_object_does_makes_it_no_shorter():
    whole, part = a_session(), a_session()
    for session, last in ((whole, 13), (part, 8)):
        session.extents.put(1, Extent("K", last=11))
        stops = propagate(session, 1, "K", 0, last, CONFIG).stops
    assert areas(part)[:9] == areas(whole)[:9]
    assert (stops[1].last_index, stops[1].reason) == (8, "end of the range")


def test_an_ellipsoid_gets_smaller_to_a_quarter_at_most():
    shares = [taper(distance, 8) for distance in range(9)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[6] == pytest.approx(np.sqrt(1 - (6 / 8.75) ** 2))
    assert taper(1000, 1000) == 0.25


def test_a_scaled_mask_keeps_its_middle_and_is_never_empty():
    rows, columns = np.mgrid[:60, :70]
    disc = (rows - 20) ** 2 + (columns - 45) ** 2 <= 15**2
    half = scaled_mask(disc, 0.5)
    assert np.count_nonzero(half) == pytest.approx(np.count_nonzero(disc) / 4, rel=0.06)
    np.testing.assert_allclose(np.argwhere(half).mean(axis=0), (20, 45), atol=0.1)
    np.testing.assert_array_equal(scaled_mask(disc, 1), disc)
    pixel = np.zeros((5, 5), bool)
    pixel[2, 2] = True
    assert scaled_mask(pixel, 0.25).sum() == 1


class Holed(GreyPredictor):
    """Answers its box, across K with a hole in the middle; remembers the shapes of images it was asked about."""

    asked: ClassVar[list[tuple[int, int]]] = []

    def predict(self, *arguments, **prompts):
        masks, estimates, logits = super().predict(*arguments, **prompts)
        self.asked.append(self.image.shape)
        if self.image.shape == (22, 22):
            masks[:, 10:12, 10:12] = False
        return masks, estimates, logits


THOROUGH = PropagationConfig(min_stability=0, thorough=True)


def test_two_of_three_axes_win_and_prompted_slices_stay():
    session = a_session(predictor=Holed, shown=14)
    session.extents.put(1, Extent("K", 2, 8))
    prompted = session.mask(1, SliceKey("K", 4))
    propagate(session, 1, "K", 0, 13, CONFIG)
    assert areas(session) == [0, 0, *[96] * 7, 0, 0, 0, 0, 0]
    Holed.asked = []
    result = propagate(session, 1, "K", 0, 13, THOROUGH)
    assert areas(session) == [0, 0, 100, 100, 96, 100, 100, 100, 100, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(session.mask(1, SliceKey("K", 4)), prompted)
    # Each slice of the two other axes is asked once.
    assert Holed.asked.count((14, 22)) == 10 + 10
    assert len(result.edits) == 6
    session.undo()
    assert areas(session) == [0, 0, *[96] * 7, 0, 0, 0, 0, 0]


def test_a_thorough_propagation_tells_how_far_it_is_and_can_be_cancelled():
    session = a_session(shown=14)
    stages = []
    propagate(session, 1, "K", 2, 6, THOROUGH, stages.append)
    planes = [stage for stage in stages if stage.stage == "other planes"]
    assert [stage.done for stage in planes] == list(range(21))
    assert {stage.total for stage in planes} == {20}
    before = session.labels_kji.copy()

    def cancel(progress):
        if progress.stage == "other planes" and progress.done == 7:
            raise Cancelled

    with pytest.raises(Cancelled):
        propagate(session, 1, "K", 0, 13, THOROUGH, cancel)
    np.testing.assert_array_equal(session.labels_kji, before)


def test_what_thorough_costs_is_told_beforehand_and_that_it_does_not_pay_on_thick_slices():
    thin = ThoroughCost.of(a_session(), 1, "K")
    assert (thin.slices, thin.pays) == (20, True)
    assert thin.sentence(None) == "Thorough looks at about 20 more slices, across the others."
    assert thin.sentence(0.25) == "Thorough looks at about 20 more slices, across the others: about 5 s."
    thick = ThoroughCost.of(a_session(spacing_k=5.0), 1, "K")
    assert not thick.pays
    assert "does not pay here: slices are 5.0 mm apart, 5 times as far as pixels" in thick.sentence(0.25)
    nothing = a_session()
    nothing.add_segment(2, "empty")
    assert ThoroughCost.of(nothing, 2, "K").slices == 0


def test_the_same_prompts_give_the_same_voxels_again():
    sessions = [a_session(shown=14, predictor=Holed) for _ in range(2)]
    for session in sessions:
        propagate(session, 1, "K", 0, 13, THOROUGH)
    np.testing.assert_array_equal(sessions[0].labels_kji, sessions[1].labels_kji)
