"""Actions on many slices: session and segments move together, slice by slice, whatever comes between."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.controller import Controller
from dfqsam_scene.prompting.segment_writer import SegmentWriter
from Testing.support.finished import settle, wait_for
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.phantom import PARENT
from Testing.support.prompts import ANYWHERE
from Testing.support.segmentations import covered_slices, whole

K4 = SliceKey("K", 4)
INSIDE = PointPrompt((7, 5, 4))
ALL = list(range(9))


@pytest.fixture(autouse=True)
def _one_slice_a_turn(monkeypatch):
    monkeypatch.setattr("dfqsam_scene.jobs.writing._HOLD_SECONDS", 0.0)


@pytest.fixture
def controller(a_volume_node, segments, worker, liver):
    session = VolumeSession(read_volume_node(a_volume_node), MODEL, "600,200", predictor=GreyPredictor())
    found = Controller(SegmentWriter(session, segments), worker)
    found.add_prompt(liver, INSIDE)
    settle(worker, found.deliver)
    return found


def session_slices(controller):
    return [key.index for key in controller.session.slices_of(1)]


def begin_to_write(controller, liver):
    controller.propagate(liver, "K", 0, 8, ANYWHERE)
    wait_for(lambda: (controller.deliver(), controller._writing.is_going)[1])


def follow(controller, worker, segments, liver):
    """Take turn after turn to the end: each changes one slice of the session at most, and the same of the segment."""
    while controller.is_busy:
        before = set(session_slices(controller))
        assert worker.wait(60)
        controller.deliver()
        assert session_slices(controller) == covered_slices(segments, liver)
        assert len(before.symmetric_difference(session_slices(controller))) <= 1


def failing_at(segments, index):
    write = segments.write

    def failing(segment_id, key, *rest):
        if key.index == index:
            raise PromptError("There is no room.")
        return write(segment_id, key, *rest)

    return failing


def test_the_session_gets_one_slice_a_turn_and_loses_and_regains_them_likewise(controller, worker, segments, liver):
    begin_to_write(controller, liver)
    assert session_slices(controller) == [0, 4]
    follow(controller, worker, segments, liver)
    assert session_slices(controller) == ALL
    propagated = whole(segments, liver)
    controller.undo()
    assert session_slices(controller) == ALL[:-1]
    follow(controller, worker, segments, liver)
    assert session_slices(controller) == [4]
    controller.redo()
    follow(controller, worker, segments, liver)
    np.testing.assert_array_equal(whole(segments, liver), propagated)
    controller.undo()
    controller.finish_writing()
    controller.undo()
    assert not whole(segments, liver).any()
    assert not controller.writer.can_undo


def test_what_waits_goes_on_when_writing_fails(controller, worker, segments, liver, spleen, monkeypatch):
    monkeypatch.setattr(segments, "write", failing_at(segments, 7))
    begin_to_write(controller, liver)
    controller.add_prompt(spleen, PointPrompt((7, 5, 2)))
    settle(worker, controller.deliver)
    assert not controller.is_busy
    assert (covered_slices(segments, liver), covered_slices(segments, spleen)) == ([4], [2])
    assert session_slices(controller) == [4]


def test_an_undo_that_a_moved_volume_stops_goes_on_when_it_is_back(
    controller, worker, world, segments, liver, a_volume_node
):
    begin_to_write(controller, liver)
    settle(worker, controller.deliver)
    propagated = whole(segments, liver)
    place = a_volume_node.GetTransformNodeID()
    controller.undo()
    controller.deliver()
    moved = world.transform(PARENT @ np.diag([1, 1, -1, 1.0]), "Elsewhere")
    a_volume_node.SetAndObserveTransformNodeID(moved.GetID())
    settle(worker, controller.deliver)
    assert "has moved" in controller.message
    assert 1 < len(session_slices(controller)) < 9
    a_volume_node.SetAndObserveTransformNodeID(place)
    assert session_slices(controller) == covered_slices(segments, liver)
    controller.undo()
    settle(worker, controller.deliver)
    assert session_slices(controller) == covered_slices(segments, liver) == [4]
    for _ in range(2):
        controller.redo()
        settle(worker, controller.deliver)
    np.testing.assert_array_equal(whole(segments, liver), propagated)
    assert session_slices(controller) == ALL


def test_an_action_that_fails_leaves_what_was_undone_before_to_be_repeated(
    controller, worker, segments, liver, monkeypatch
):
    controller.choose_candidate(liver, K4, 2)
    chosen = whole(segments, liver)
    controller.undo()
    settle(worker, controller.deliver)
    before = whole(segments, liver)
    with monkeypatch.context() as patch:
        patch.setattr(segments, "write", failing_at(segments, 7))
        controller.propagate(liver, "K", 0, 8, ANYWHERE)
        settle(worker, controller.deliver)
    assert controller.message == "There is no room."
    np.testing.assert_array_equal(whole(segments, liver), before)
    assert session_slices(controller) == [4]
    controller.redo()
    settle(worker, controller.deliver)
    np.testing.assert_array_equal(whole(segments, liver), chosen)


def test_slices_that_cannot_be_taken_back_when_the_volume_has_moved_can_be_undone_when_it_is_back(
    controller, worker, world, segments, liver, a_volume_node
):
    before, place = whole(segments, liver), a_volume_node.GetTransformNodeID()
    begin_to_write(controller, liver)
    moved = world.transform(PARENT @ np.diag([1, 1, -1, 1.0]), "Elsewhere")
    a_volume_node.SetAndObserveTransformNodeID(moved.GetID())
    settle(worker, controller.deliver)
    assert "has moved" in controller.message
    a_volume_node.SetAndObserveTransformNodeID(place)
    assert session_slices(controller) == covered_slices(segments, liver) == [0, 4]
    controller.undo()
    settle(worker, controller.deliver)
    assert session_slices(controller) == [4]
    np.testing.assert_array_equal(whole(segments, liver), before)


def test_a_preview_is_not_written_between_the_slices_of_an_action(controller, worker, segments, liver, spleen):
    controller.propagate(liver, "K", 0, 8, ANYWHERE)
    settle(worker, controller.deliver)
    propagated = whole(segments, liver)
    controller.undo()
    settle(worker, controller.deliver)
    controller.auto_accept = False
    controller.add_prompt(spleen, PointPrompt((0, 0, 2)))
    settle(worker, controller.deliver)
    controller.redo()
    controller.accept_preview()
    assert "still being written" in controller.message
    assert controller.preview is not None
    settle(worker, controller.deliver)
    np.testing.assert_array_equal(whole(segments, liver), propagated)
    controller.accept_preview()
    assert covered_slices(segments, spleen) == [2]
    for _ in range(2):
        controller.undo()
        settle(worker, controller.deliver)
    assert (covered_slices(segments, liver), covered_slices(segments, spleen)) == ([4], [])


def test_after_an_undo_what_a_mask_refused_is_still_not_taken_for_erased(
    a_volume_node, segments, worker, liver, editor
):
    session = VolumeSession(read_volume_node(a_volume_node), MODEL, "600,200", predictor=GreyPredictor())
    controller = Controller(SegmentWriter(session, segments), worker)
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(300, 400)
    controller.add_prompt(liver, INSIDE)
    settle(worker, controller.deliver)
    allowed, predicted = segments.read(liver, K4), session.mask(1, K4)
    assert 0 < allowed.sum() < predicted.sum()
    editor.SourceVolumeIntensityMaskOff()
    controller.choose_candidate(liver, K4, 2)
    controller.undo()
    np.testing.assert_array_equal(segments.read(liver, K4), allowed)
    controller.add_prompt(liver, PointPrompt((0, 0, 4), positive=False))
    settle(worker, controller.deliver)
    np.testing.assert_array_equal(segments.read(liver, K4), predicted)
