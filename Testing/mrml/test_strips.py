"""What a front end draws of each slice of a segment: prompted, propagated and how sure, marked ends."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import BoxPrompt, SliceKey
from dfqsam_core.volume.session.trust import Trust
from dfqsam_scene.prompting.strips import Strip, StripSlice, _words
from Testing.support.prompts import ANYWHERE

from .test_kept_work import Person
from .test_known_ends import mark

BOX = BoxPrompt((2, 2, 4), (9, 8, 4))


@pytest.fixture
def person(world, a_volume_node, model_file, tmp_path):
    world.slice_view("Axial")
    person = Person(world, a_volume_node, model_file, tmp_path / "journals")
    person.begin("liver")
    yield person
    person.room.end()
    person.room.worker.close()


def propagated(person) -> Strip:
    person.prompt(BOX)
    person.room.workspace.controller.propagate(person.room.choice.segment_id, "K", 2, 6, ANYWHERE)
    person.settle()
    (strip,) = person.room.state().strips
    return strip


def test_one_prompted_slice_has_no_strip_and_a_marked_end_has(person):
    person.prompt(BOX)
    assert person.room.state().strips == ()
    mark(person, 3, "starts here")
    (strip,) = person.room.state().strips
    assert (strip.axis, strip.last, strip.first_end, strip.last_end) == ("K", 8, 3, None)
    assert [(one.index, one.is_prompted) for one in strip.slices] == [(4, True)]


def test_a_propagated_slice_has_the_share_of_the_session(person):
    strip = propagated(person)
    assert [one.index for one in strip.slices] == [2, 3, 4, 5, 6]
    session = person.room.workspace.session
    for one in strip.slices:
        prediction = session.prediction(1, SliceKey("K", one.index))
        if one.is_prompted:
            assert (one.index, one.share, prediction.trust) == (4, None, None)
        else:
            assert one.share == min(max(prediction.trust.share, 0), 1)
            assert one.is_weak == prediction.trust.is_weak
            assert f"neighbours {prediction.trust.neighbours:.2f}" in one.words


def test_undo_takes_the_shares_away_and_redo_brings_them_back(person):
    strip = propagated(person)
    undo, redo = (person.verbs.by_name()[name] for name in ("undo", "redo"))
    undo()
    person.settle()
    assert person.room.state().strips == ()
    redo()
    person.settle()
    assert person.room.state().strips == (strip,)


def test_shares_outlive_a_crash(world, a_volume_node, model_file, tmp_path, person):
    strip = propagated(person)
    person.crash()
    again = Person(world, a_volume_node, model_file, tmp_path / "journals")
    again.room.choose(segmentation_node=again.verbs.continue_work())
    again.settle()
    assert again.room.state().strips == (strip,)
    again.room.end()
    again.room.worker.close()


def test_weak_slices_are_found_in_both_directions():
    slices = tuple(StripSlice(n, False, 0.5, n in (2, 7), "") for n in range(9))
    strip = Strip("K", 8, None, None, slices)
    assert [strip.next_weak(n, 1) for n in (0, 2, 7)] == [2, 7, None]
    assert [strip.next_weak(n, -1) for n in (8, 7, 2)] == [7, 2, None]


def test_a_slice_on_which_the_model_disagreed_is_weak():
    assert Trust(float("nan"), 1.0).is_weak
    assert not Trust(0.95, 0.9).is_weak
    assert Trust(0.95, 0.9, 0.5).is_weak


def test_what_the_model_says_is_told_where_it_says_something():
    assert _words(Trust(0.95, 0.9)) == "propagated: model 0.95, neighbours 0.90"
    assert _words(Trust(None, 0.9, 0.8)) == "propagated: neighbours 0.90, other planes 0.80"
    assert _words(Trust(float("nan"), 1.0)).startswith("weak, look at it: the model disagreed, a shape stands in")
