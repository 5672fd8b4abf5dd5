"""The network encodes a slice once, however a click falls into the work ahead; a click waits for one slice at most."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession, WindowLevel
from dfqsam_core.volume.session.slice_predictor import SlicePredictor
from dfqsam_scene.jobs.encoding_ahead import EncodingAhead
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.controller import Controller
from dfqsam_scene.prompting.segment_writer import SegmentWriter
from Testing.support.finished import PATIENCE_SECONDS, settle
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.prompts import ANYWHERE
from Testing.support.segmentations import covered_slices

K4 = SliceKey("K", 4)
INSIDE = PointPrompt((7, 5, 4))
WINDOW = WindowLevel(600, 200)


class SlowEncoder(GreyPredictor):
    """Encodes one image each time that it is let go on; `begun` counts those that it has begun with."""

    def __init__(self):
        super().__init__()
        self.begun, self.going_on = threading.Semaphore(0), threading.Semaphore(0)
        self.decoded = []

    def set_image(self, image):
        self.begun.release()
        assert self.going_on.acquire(timeout=PATIENCE_SECONDS)
        super().set_image(image)

    def predict(self, *args, **kwargs):
        self.decoded.append(len(self.encoded))
        return super().predict(*args, **kwargs)

    def let_all_go_on(self):
        self.going_on.release(1000)


@pytest.fixture
def encoder():
    found = SlowEncoder()
    yield found
    found.let_all_go_on()


@pytest.fixture
def controller(a_volume_node, segments, worker, encoder):
    session = VolumeSession(read_volume_node(a_volume_node), MODEL, WINDOW, predictor=encoder)
    return Controller(SegmentWriter(session, segments), worker)


def images(a_volume_node, window, *indices):
    """The slices as the network sees them."""
    slices = VolumeSession(read_volume_node(a_volume_node), MODEL, window, predictor=GreyPredictor()).slices
    return [slices.image(SliceKey("K", index)) for index in indices]


def finish(controller, worker, encoder):
    encoder.let_all_go_on()
    settle(worker, controller.deliver)
    assert worker.wait(PATIENCE_SECONDS, ahead_too=True)


def test_a_click_on_the_slice_that_is_being_encoded_waits_for_it(
    controller, worker, encoder, segments, liver, a_volume_node
):
    controller.look_at(K4)
    assert encoder.begun.acquire(timeout=PATIENCE_SECONDS)
    controller.add_prompt(liver, INSIDE)
    finish(controller, worker, encoder)
    assert covered_slices(segments, liver) == [4]
    assert encoder.decoded == [1]
    np.testing.assert_array_equal(encoder.encoded, images(a_volume_node, WINDOW, 4, 5, 3, 6, 2, 7, 1))
    assert (controller.encoding_seconds, controller.decoding_seconds) == (None, controller.seconds)


def test_a_click_on_another_slice_waits_for_one_slice_and_the_rest_follows(
    controller, worker, encoder, segments, liver, a_volume_node
):
    controller.look_at(K4)
    assert encoder.begun.acquire(timeout=PATIENCE_SECONDS)
    controller.add_prompt(liver, PointPrompt((7, 5, 6)))
    finish(controller, worker, encoder)
    assert covered_slices(segments, liver) == [6]
    assert encoder.decoded == [2]
    np.testing.assert_array_equal(encoder.encoded, images(a_volume_node, WINDOW, 4, 6, 5, 3, 2, 7, 1))
    assert controller.encoding_seconds is not None


def test_after_a_change_of_the_window_each_slice_is_encoded_once_more(
    controller, worker, encoder, segments, liver, a_volume_node
):
    wide = WindowLevel(1200, 200)
    controller.look_at(K4)
    assert encoder.begun.acquire(timeout=PATIENCE_SECONDS)
    controller.change_window(wide)
    controller.add_prompt(liver, INSIDE)
    finish(controller, worker, encoder)
    assert covered_slices(segments, liver) == [4]
    assert encoder.decoded == [2]
    first, *others = images(a_volume_node, wide, 4, 5, 3, 6, 2, 7, 1)
    np.testing.assert_array_equal(encoder.encoded, [*images(a_volume_node, WINDOW, 4), first, *others])


def test_turns_of_writing_do_not_wait_for_work_ahead(controller, worker, encoder, segments, liver, monkeypatch):
    monkeypatch.setattr("dfqsam_scene.jobs.writing._HOLD_SECONDS", 0.0)
    encoder.let_all_go_on()
    controller.add_prompt(liver, INSIDE)
    settle(worker, controller.deliver)
    controller.propagate(liver, "K", 2, 6, ANYWHERE)
    settle(worker, controller.deliver)
    assert covered_slices(segments, liver) == [2, 3, 4, 5, 6]
    encoder.going_on, encoder.begun = threading.Semaphore(0), threading.Semaphore(0)
    controller.look_at(SliceKey("K", 8))
    assert encoder.begun.acquire(timeout=PATIENCE_SECONDS)
    controller.undo()
    settle(worker, controller.deliver)
    assert covered_slices(segments, liver) == [4]
    assert len(encoder.encoded) == 5


def test_an_encoder_that_fails_ahead_is_told_by_the_click(controller, worker, encoder, liver, monkeypatch):
    monkeypatch.setattr(encoder, "set_image", lambda image: 1 / 0)
    controller.look_at(K4)
    assert worker.wait(PATIENCE_SECONDS, ahead_too=True)
    controller.deliver()
    assert (controller.message, controller.is_error) == ("", False)
    controller.add_prompt(liver, INSIDE)
    settle(worker, controller.deliver)
    assert "ZeroDivisionError" in controller.message


def test_a_closed_controller_encodes_no_more(controller, worker, encoder):
    controller.look_at(K4)
    assert encoder.begun.acquire(timeout=PATIENCE_SECONDS)
    controller.close()
    controller.look_at(SliceKey("K", 2))
    encoder.let_all_go_on()
    assert worker.wait(PATIENCE_SECONDS, ahead_too=True)
    assert len(encoder.encoded) == 1


def test_neighbours_are_encoded_side_by_side(a_volume_node, worker):
    together, beside = threading.Barrier(3, timeout=PATIENCE_SECONDS), []

    class OneCore(GreyPredictor):
        def embed(self, image):
            together.wait()
            beside.append(image)
            return image.astype(np.float32)

    predictor, volume = GreyPredictor(), read_volume_node(a_volume_node)
    slices = SlicePredictor(volume, predictor, "encoder", WINDOW, EmbeddingCache(), beside=OneCore, at_once=3)
    EncodingAhead(worker, slices).look_at(K4)
    assert worker.wait(PATIENCE_SECONDS, ahead_too=True)
    np.testing.assert_array_equal(predictor.encoded, images(a_volume_node, WINDOW, 4))
    assert (len(beside), slices.encodings) == (6, 7)
