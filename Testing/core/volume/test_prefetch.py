from __future__ import annotations

import threading

import numpy as np
import pytest

from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession
from dfqsam_core.volume.session.prefetch import Prefetcher, outwards

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor


class GatedPredictor(GreyPredictor):
    """Encodes only while its gate is open, and says when it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.gate = threading.Event(), threading.Event()

    def set_image(self, image: np.ndarray) -> None:
        self.begun.set()
        assert self.gate.wait(10)
        super().set_image(image)


@pytest.fixture
def gated():
    return GatedPredictor()


@pytest.fixture
def prefetcher(a_session, gated):
    found = Prefetcher(a_session.slices.twin(gated))
    yield found
    gated.gate.set()
    found.close()


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


def test_a_prefetched_slice_needs_no_encoder_when_clicked(a_session, a_predictor, prefetcher, gated):
    gated.gate.set()
    prefetcher.request(outwards(SliceKey("K", 1), 4, 2))
    assert prefetcher.wait(10)
    assert len(gated.encoded) == 3
    for index in (0, 2, 3):
        a_session.add_prompt(1, PointPrompt((3, 2, index)))
    assert a_predictor.encoded == []
    a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    assert len(a_predictor.encoded) == 1


def test_a_pause_ends_after_the_slice_in_work(a_session, prefetcher, gated):
    prefetcher.request(keys(0, 1, 2, 3))
    assert gated.begun.wait(10)
    prefetcher.pause()
    gated.gate.set()
    assert prefetcher.wait(10)
    assert len(gated.encoded) == 1


def test_a_new_request_replaces_the_old_one(prefetcher, gated, a_session):
    prefetcher.request(keys(0, 1, 2))
    assert gated.begun.wait(10)
    prefetcher.request(keys(3))
    gated.gate.set()
    assert prefetcher.wait(10)
    expected = [a_session.slices.image(key) for key in keys(0, 3)]
    np.testing.assert_array_equal(gated.encoded, expected)


def test_a_click_answers_while_the_background_works(a_session, prefetcher, gated):
    prefetcher.request(keys(0))
    assert gated.begun.wait(10)
    edit = a_session.add_prompt(1, PointPrompt((3, 2, 1)))
    assert edit.after.any()
    assert gated.encoded == []


class OneCore:
    """Does one thing at a time, whoever asks, and keeps their order; the first slice waits for the gate."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, int]] = []
        self.begun, self.gate, self.lock = threading.Event(), threading.Event(), threading.Lock()


class OneCorePredictor(GreyPredictor):
    """Tells whose slice is encoded or decoded, by the grey of its corner."""

    def __init__(self, name: str, core: OneCore) -> None:
        super().__init__()
        self.name, self.core = name, core

    def set_image(self, image: np.ndarray) -> None:
        with self.core.lock:
            self.core.done.append((self.name, "encoded", int(image[0, 0]) // 20))
            self.core.begun.set()
            assert self.core.gate.wait(10)
            super().set_image(image)

    def predict(self, **given):
        with self.core.lock:
            self.core.done.append((self.name, "decoded", int(self.image[0, 0]) // 20))
            return super().predict(**given)


def test_a_click_waits_for_the_slice_in_work_and_for_no_other(a_volume):
    core = OneCore()
    session = VolumeSession(a_volume, MODEL, BYTE_WINDOW, predictor=OneCorePredictor("click", core))
    session.add_segment(1, "liver")
    prefetcher = Prefetcher(session.slices.twin(OneCorePredictor("ahead", core)))
    prefetcher.request(keys(0, 1, 2))
    assert core.begun.wait(10)
    prefetcher.pause()
    click = threading.Thread(target=session.add_prompt, args=(1, PointPrompt((3, 2, 3))))
    click.start()
    core.gate.set()
    click.join(10)
    assert prefetcher.wait(10)
    prefetcher.close()
    assert core.done == [("ahead", "encoded", 0), ("click", "encoded", 3), ("click", "decoded", 3)]


def test_an_error_in_the_background_is_told(a_session, monkeypatch):
    predictor = GreyPredictor()

    def fail(image):
        raise RuntimeError("engine")

    monkeypatch.setattr(predictor, "set_image", fail)
    prefetcher = Prefetcher(a_session.slices.twin(predictor))
    prefetcher.request(keys(0))
    with pytest.raises(RuntimeError, match="engine"):
        prefetcher.wait(10)
    prefetcher.close()
