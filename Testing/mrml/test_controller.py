"""A person's actions on a real scene, with a model simple enough to predict by eye."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    SliceKey,
    VolumeSession,
    propagate,
)
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.controller import Controller
from dfqsam_scene.prompting.segment_writer import SegmentWriter
from Testing.support.finished import PATIENCE_SECONDS, settle, wait_for
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.prompts import ANYWHERE
from Testing.support.segmentations import covered_slices, voxels_of, whole

K4 = SliceKey("K", 4)
INSIDE, OUTSIDE = PointPrompt((7, 5, 4)), PointPrompt((0, 0, 4))


class GatedPredictor(GreyPredictor):
    """Predicts only while its gate is open, and says when it has begun."""

    def __init__(self):
        super().__init__()
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def predict(self, *args, **kwargs):
        self.begun.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        return super().predict(*args, **kwargs)


class CountedPredictor(GreyPredictor):
    """Predicts as often as it is let."""

    def __init__(self):
        super().__init__()
        self.turns = threading.Semaphore(0)

    def predict(self, *args, **kwargs):
        assert self.turns.acquire(timeout=PATIENCE_SECONDS)
        return super().predict(*args, **kwargs)


@pytest.fixture
def predictor():
    found = GatedPredictor()
    yield found
    found.gate.set()


def a_session(volume_node, predictor):
    return VolumeSession(read_volume_node(volume_node), MODEL, "600,200", predictor=predictor)


@pytest.fixture
def controller(a_volume_node, segments, worker, predictor):
    return Controller(SegmentWriter(a_session(a_volume_node, predictor), segments), worker)


def act(controller, worker, *actions):
    """Do one thing after the other, each when the one before has ended."""
    for action in actions:
        action()
        settle(worker, controller.deliver)
        assert not controller.is_busy


def expected_plane(volume_node, *prompts):
    """What the headless core predicts for prompts on one slice."""
    session = a_session(volume_node, GreyPredictor())
    session.add_segment(1, "x")
    return session.set_prompts(1, prompts[0].slice, prompts).after


def test_a_click_writes_what_the_core_predicts_on_that_slice_only(controller, worker, segments, liver, a_volume_node):
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    found = whole(segments, liver)
    assert 0 < found[4].sum() < found[4].size
    np.testing.assert_array_equal(found[4], expected_plane(a_volume_node, INSIDE))
    assert not np.delete(found, 4, axis=0).any()
    assert controller.prediction(liver, K4).chosen_iou == 0.75
    assert controller.seconds > 0
    assert (controller.message, controller.is_error) == ("", False)


def test_undo_takes_one_prompt_back_and_restores_the_slice_and_redo_repeats_it(
    controller, worker, segments, liver, a_volume_node
):
    box = BoxPrompt((5, 3, 4), (9, 8, 4))
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE), lambda: controller.add_prompt(liver, box))
    np.testing.assert_array_equal(segments.read(liver, K4), expected_plane(a_volume_node, INSIDE, box))
    controller.undo()
    assert controller.prompts(liver, K4) == (INSIDE,)
    np.testing.assert_array_equal(segments.read(liver, K4), expected_plane(a_volume_node, INSIDE))
    controller.undo()
    assert not whole(segments, liver).any()
    controller.undo()
    assert controller.message == "There is nothing to undo."
    controller.redo()
    controller.redo()
    assert controller.prompts(liver, K4) == (INSIDE, box)
    np.testing.assert_array_equal(segments.read(liver, K4), expected_plane(a_volume_node, INSIDE, box))


def test_clicks_faster_than_the_model_all_count_and_each_is_one_undo_step(
    controller, worker, predictor, segments, liver, a_volume_node
):
    predictor.gate.clear()
    boxes = [BoxPrompt((5, 3, 4), (high, 8, 4)) for high in (7, 8, 9)]
    for prompt in (INSIDE, *boxes):
        controller.add_prompt(liver, prompt)
    assert controller.all_prompts() == {(liver, K4): (INSIDE, boxes[-1])}
    predictor.gate.set()
    settle(worker, controller.deliver)
    assert controller.all_prompts() == {(liver, K4): (INSIDE, boxes[-1])}
    assert controller.prompts(liver, K4) == (INSIDE, boxes[-1])
    np.testing.assert_array_equal(segments.read(liver, K4), expected_plane(a_volume_node, INSIDE, boxes[-1]))
    for left in ((INSIDE, boxes[1]), (INSIDE, boxes[0]), (INSIDE,), ()):
        controller.undo()
        assert controller.prompts(liver, K4) == left
    assert len(predictor.encoded) == 1


def test_removing_a_prompt_and_clearing_the_slice(controller, worker, segments, liver, a_volume_node):
    box = BoxPrompt((5, 3, 4), (9, 8, 4))
    act(
        controller,
        worker,
        lambda: controller.add_prompt(liver, INSIDE),
        lambda: controller.add_prompt(liver, box),
        lambda: controller.remove_prompt(liver, INSIDE),
    )
    np.testing.assert_array_equal(segments.read(liver, K4), expected_plane(a_volume_node, box))
    act(controller, worker, lambda: controller.remove_prompt(liver, OUTSIDE))
    assert controller.is_error
    assert "no such prompt" in controller.message
    act(controller, worker, lambda: controller.clear_slice(liver, K4))
    assert controller.prompts(liver, K4) == ()
    assert not segments.read(liver, K4).any()
    controller.undo()
    np.testing.assert_array_equal(segments.read(liver, K4), expected_plane(a_volume_node, box))


def test_another_candidate_is_written_and_taken_back(controller, worker, segments, liver):
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    chosen = segments.read(liver, K4)
    controller.choose_candidate(liver, K4, 2)
    assert segments.read(liver, K4).all()
    controller.undo()
    np.testing.assert_array_equal(segments.read(liver, K4), chosen)
    controller.choose_candidate(liver, K4, 3)
    assert controller.is_error


def test_what_was_drawn_by_hand_stays(controller, worker, segments, liver, a_volume_node):
    drawn = np.zeros((12, 14), bool)
    drawn[10:, 10:] = True
    segments.restore(liver, K4, drawn)
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    predicted = expected_plane(a_volume_node, INSIDE)
    np.testing.assert_array_equal(segments.read(liver, K4), predicted | drawn)
    erased = np.zeros_like(drawn)
    erased[5, 7] = True
    segments.restore(liver, K4, (predicted | drawn) & ~erased)
    box = BoxPrompt((5, 3, 4), (9, 8, 4))
    act(controller, worker, lambda: controller.add_prompt(liver, box))
    boxed = expected_plane(a_volume_node, INSIDE, box)
    assert boxed[5, 7]
    np.testing.assert_array_equal(segments.read(liver, K4), (boxed | drawn) & ~erased)
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(segments.read(liver, K4), drawn)


def test_what_the_mask_refused_comes_when_the_mask_allows_it(
    controller, worker, segments, liver, editor, a_volume_node
):
    editor.SourceVolumeIntensityMaskOn()
    editor.SetSourceVolumeIntensityMaskRange(300, 400)
    predicted = expected_plane(a_volume_node, INSIDE)
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    assert 0 < segments.read(liver, K4).sum() < predicted.sum()
    editor.SourceVolumeIntensityMaskOff()
    act(controller, worker, lambda: controller.add_prompt(liver, PointPrompt((0, 0, 4), positive=False)))
    np.testing.assert_array_equal(segments.read(liver, K4), predicted)


def test_a_preview_is_written_when_it_is_accepted_or_work_goes_on_elsewhere(controller, worker, segments, liver):
    controller.auto_accept = False
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    assert controller.preview.prediction.mask.any()
    assert not whole(segments, liver).any()
    controller.choose_candidate(liver, K4, 2)
    controller.accept_preview()
    assert segments.read(liver, K4).all()
    act(controller, worker, lambda: controller.add_prompt(liver, PointPrompt((7, 5, 3))))
    assert not segments.read(liver, SliceKey("K", 3)).any()
    act(controller, worker, lambda: controller.add_prompt(liver, PointPrompt((7, 5, 5))))
    assert segments.read(liver, SliceKey("K", 3)).any()
    controller.undo()
    assert controller.preview is None
    assert controller.prompts(liver, SliceKey("K", 5)) == ()
    assert segments.read(liver, SliceKey("K", 3)).any()


def test_cancel_leaves_everything_as_it_was_and_the_next_click_works(controller, worker, predictor, segments, liver):
    predictor.gate.clear()
    controller.add_prompt(liver, INSIDE)
    controller.add_prompt(liver, PointPrompt((7, 5, 5)))
    assert predictor.begun.wait(PATIENCE_SECONDS)
    controller.cancel()
    assert (controller.is_busy, controller.message) == (False, "Cancelled.")
    controller.add_prompt(liver, PointPrompt((7, 5, 3)))
    predictor.gate.set()
    settle(worker, controller.deliver)
    assert covered_slices(segments, liver) == [3]
    assert controller.prompts(liver, K4) == ()


def test_propagation_is_one_undo_step_and_says_where_it_stopped(controller, worker, segments, liver, a_volume_node):
    act(
        controller,
        worker,
        lambda: controller.add_prompt(liver, INSIDE),
        lambda: controller.propagate(liver, "K", 2, 6, ANYWHERE),
    )
    headless = a_session(a_volume_node, GreyPredictor())
    headless.add_segment(1, "liver")
    headless.add_prompt(1, INSIDE)
    stops = propagate(headless, 1, "K", 2, 6, ANYWHERE).stops
    np.testing.assert_array_equal(whole(segments, liver), headless.labels_kji == 1)
    assert whole(segments, liver)[2:7].any(axis=(1, 2)).all()
    assert controller.stops == stops
    assert controller.message == "Axial slice 3: end of the range; axial slice 7: end of the range"
    act(controller, worker, controller.undo)
    assert covered_slices(segments, liver) == [4]
    act(controller, worker, lambda: controller.propagate(liver, "K", 7, 8))
    assert controller.is_error
    assert "no prompts on the axial slices 8 to 9" in controller.message


@pytest.mark.parametrize(
    "prompt",
    [
        PointPrompt((2, 2, 5), positive=False),
        ScribblePrompt(((2, 2, 5), (4, 2, 5)), positive=False),
        LassoPrompt(((1, 1, 5), (4, 1, 5), (1, 4, 5)), positive=False),
    ],
    ids=["point", "scribble", "lasso"],
)
def test_refining_corrects_a_propagated_mask_with_what_is_outside_of_it_as_the_core_does(
    controller, worker, segments, liver, a_volume_node, prompt
):
    act(
        controller,
        worker,
        lambda: controller.add_prompt(liver, INSIDE),
        lambda: controller.propagate(liver, "K", 2, 6, ANYWHERE),
    )
    controller.refine = True
    act(controller, worker, lambda: controller.add_prompt(liver, prompt))
    headless = a_session(a_volume_node, GreyPredictor())
    headless.add_segment(1, "liver")
    headless.add_prompt(1, INSIDE)
    propagate(headless, 1, "K", 2, 6, ANYWHERE)
    headless.add_prompt(1, prompt, refine=True)
    assert headless.mask(1, prompt.slice).any()
    np.testing.assert_array_equal(whole(segments, liver), headless.labels_kji == 1)
    act(controller, worker, lambda: controller.clear_slice(liver, prompt.slice))
    assert not segments.read(liver, prompt.slice).any()


def test_writing_many_slices_pauses_after_each_turn_and_ends_where_writing_at_once_ends(
    controller, worker, segments, liver, spleen, monkeypatch
):
    monkeypatch.setattr("dfqsam_scene.jobs.writing._HOLD_SECONDS", 0.0)
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    controller.propagate(liver, "K", 0, 8, ANYWHERE)
    turns = []
    while controller.is_busy:
        assert worker.wait(PATIENCE_SECONDS)
        controller.deliver()
        turns.append(covered_slices(segments, liver))
        controller.add_prompt(spleen, PointPrompt((7, 5, 8))) if len(turns) == 3 else None
        if len(turns) == 4:
            controller.choose_candidate(liver, K4, 2)
            assert "still being written" in controller.message
            controller.redo()
            assert "still being written" in controller.message
            controller.cancel()
            assert "undo takes them back" in controller.message
    assert all(len(later) - len(earlier) <= 1 for earlier, later in itertools.pairwise(turns))
    assert turns[-1] == list(range(9))
    assert not whole(segments, spleen).any()
    propagated = whole(segments, liver)
    act(controller, worker, controller.undo)
    assert covered_slices(segments, liver) == [4]
    controller.redo()
    controller.finish_writing()
    assert not controller.is_busy
    np.testing.assert_array_equal(whole(segments, liver), propagated)


def test_a_write_that_fails_in_the_middle_of_many_takes_the_earlier_slices_back(
    controller, worker, segments, liver, monkeypatch
):
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    before, write = whole(segments, liver), segments.write
    monkeypatch.setattr("dfqsam_scene.jobs.writing._HOLD_SECONDS", 0.0)

    def failing(segment_id, key, *rest):
        if key.index == 7:
            raise PromptError("There is no room.")
        return write(segment_id, key, *rest)

    monkeypatch.setattr(segments, "write", failing)
    act(controller, worker, lambda: controller.propagate(liver, "K", 0, 8, ANYWHERE))
    assert (controller.message, controller.is_error) == ("There is no room.", True)
    np.testing.assert_array_equal(whole(segments, liver), before)
    controller.undo()
    assert not whole(segments, liver).any()


def test_a_cancelled_propagation_changes_nothing(controller, worker, predictor, segments, liver):
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    before = whole(segments, liver)
    predictor.gate.clear()
    predictor.begun.clear()
    controller.propagate(liver, "K", 0, 8, ANYWHERE)
    assert predictor.begun.wait(PATIENCE_SECONDS)
    controller.cancel()
    predictor.gate.set()
    assert worker.wait(PATIENCE_SECONDS)
    controller.deliver()
    np.testing.assert_array_equal(whole(segments, liver), before)
    assert not controller.is_busy


@pytest.mark.parametrize("work", ["propagation", "3D box"])
def test_what_a_click_gives_is_shown_before_the_work_on_many_slices_that_it_waits_for(
    a_volume_node, segments, worker, liver, spleen, work
):
    predictor, shown = CountedPredictor(), []

    class Layer:
        show = staticmethod(shown.append)

    controller = Controller(SegmentWriter(a_session(a_volume_node, predictor), segments), worker, preview_layer=Layer())
    predictor.turns.release()
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    boxes = tuple(BoxPrompt((2, 2, k), (11, 9, k)) for k in range(9))
    if work == "propagation":
        controller.propagate(liver, "K", 0, 8, ANYWHERE)
    else:
        controller.prompt_boxes(liver, boxes, frozenset())
    click = PointPrompt((7, 5, 8))
    controller.add_prompt(spleen, click)
    # One slice of the work at most, and the click.
    predictor.turns.release(2)

    def is_shown():
        controller.deliver()
        return any(preview is not None and preview.segment_id == spleen for preview in shown)

    wait_for(is_shown)
    assert shown[-1].prompts == (click,)
    assert covered_slices(segments, spleen) == []
    assert controller.is_busy
    predictor.turns.release(100)
    settle(worker, controller.deliver)
    assert shown[-1] is None
    assert covered_slices(segments, spleen) == [8]
    assert controller.session.prediction(2, SliceKey("K", 8)) is not None
    act(controller, worker, controller.undo)
    assert covered_slices(segments, spleen) == []
    assert len(covered_slices(segments, liver)) > 1, "the click came after it"


@pytest.mark.parametrize("loss", ["segment", "segmentation", "volume", "scene"])
def test_what_disappears_during_a_job_is_a_message_and_nothing_else_is_lost(
    controller, worker, predictor, segments, liver, spleen, world, a_volume_node, loss
):
    act(controller, worker, lambda: controller.add_prompt(spleen, OUTSIDE))
    kept, voxels = segments.read(spleen, K4), voxels_of(segments.node, spleen)
    assert voxels
    predictor.gate.clear()
    predictor.begun.clear()
    controller.add_prompt(liver, INSIDE)
    assert predictor.begun.wait(PATIENCE_SECONDS)
    {
        "segment": lambda: segments.node.GetSegmentation().RemoveSegment(liver),
        "segmentation": lambda: world.scene.RemoveNode(segments.node),
        "volume": lambda: world.scene.RemoveNode(a_volume_node),
        "scene": lambda: world.scene.Clear(0),
    }[loss]()
    predictor.gate.set()
    settle(worker, controller.deliver)
    assert controller.is_error
    assert {"segment": "any more", "segmentation": "no segmentation"}.get(loss, "no volume") in controller.message
    if loss in ("segment", "volume"):
        assert voxels_of(segments.node, spleen) == voxels
    controller.undo()
    if loss == "segment":
        assert not segments.read(spleen, K4).any()
        controller.redo()
        np.testing.assert_array_equal(segments.read(spleen, K4), kept)
    else:
        assert controller.is_error


def test_a_failing_model_is_a_message(controller, worker, predictor, segments, liver, monkeypatch):
    monkeypatch.setattr(predictor, "set_image", lambda image: 1 / 0)
    act(controller, worker, lambda: controller.add_prompt(liver, INSIDE))
    assert controller.is_error
    assert "ZeroDivisionError" in controller.message
    assert not whole(segments, liver).any()
    assert controller.prompts(liver, K4) == ()
