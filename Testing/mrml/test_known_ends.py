"""Where a segment starts and ends: marked in the scene, saved with it, kept through a crash, and kept to."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import BoxPrompt, Extent, SliceKey
from dfqsam_scene.nodes.slice_views import show_slice
from Testing.support.prompts import ANYWHERE

from .test_kept_work import Person

BOX = BoxPrompt((2, 2, 4), (9, 8, 4))


@pytest.fixture
def person(world, a_volume_node, model_file, tmp_path):
    world.slice_view("Axial")
    person = Person(world, a_volume_node, model_file, tmp_path / "journals")
    person.begin("liver")
    yield person
    person.room.end()
    person.room.worker.close()


def mark(person, index: int, verb: str) -> None:
    show_slice(person.room.choice.volume_node, SliceKey("K", index))
    person.settle()
    person.verbs.by_name()[verb]()
    person.settle()


def extents(person) -> list[Extent]:
    session = person.room.workspace.session
    return [extent for segment in session.segments for extent in session.extents.of_label(segment.label)]


def filled(person) -> list[int]:
    voxels = person.segments.read
    segment_id = person.room.choice.segment_id
    return [k for k in range(9) if voxels(segment_id, SliceKey("K", k)).any()]


def test_ends_are_marked_taken_back_and_put_in_order(person):
    mark(person, 6, "starts here")
    assert extents(person) == [Extent("K", first=6)]
    mark(person, 2, "ends here")
    assert extents(person) == [Extent("K", 2, 6)]
    state = person.room.state()
    assert (state.ends.first, state.ends.last) == (2, 6)
    assert "from axial slice 3 to 7" in state.message
    mark(person, 2, "starts here")
    assert extents(person) == [Extent("K", last=6)]


def test_a_propagation_keeps_to_marked_ends_and_is_undone_as_one_step(person):
    person.prompt(BOX)
    mark(person, 3, "starts here")
    mark(person, 6, "ends here")
    controller = person.room.workspace.controller
    controller.propagate(person.room.choice.segment_id, "K", 0, 8, ANYWHERE)
    person.settle()
    assert filled(person) == [3, 4, 5, 6]
    assert [stop.reason for stop in controller.stops] == ["end of the object"] * 2
    controller.undo()
    person.settle()
    assert filled(person) == [4]
    assert extents(person) == [Extent("K", 3, 6)]


def test_a_mark_of_an_end_is_a_step_of_the_history(person):
    person.prompt(BOX)
    mark(person, 3, "starts here")
    mark(person, 6, "ends here")
    mark(person, 6, "ends here")
    undo, redo = (person.verbs.by_name()[name] for name in ("undo", "redo"))
    steps = [[Extent("K", 3, 6)], [Extent("K", first=3)], []]
    for expected in steps:
        undo()
        person.settle()
        assert extents(person) == expected
        assert filled(person) == [4], "the prompt is older than the marks"
    for expected in [*steps[1::-1], [Extent("K", first=3)]]:
        redo()
        person.settle()
        assert extents(person) == expected
    for _ in range(4):
        undo()
        person.settle()
    assert filled(person) == []


def test_marks_are_undone_with_another_model(person, calibrated_file):
    person.prompt(BOX)
    mark(person, 3, "starts here")
    person.room.choose(model_path=calibrated_file)
    person.settle()
    person.verbs.by_name()["undo"]()
    person.settle()
    assert extents(person) == []
    assert filled(person) == [4]


def test_a_range_without_prompts_is_refused_in_the_numbers_of_the_screen(person):
    person.prompt(BOX)
    controller, segment_id = person.room.workspace.controller, person.room.choice.segment_id
    controller.propagate(segment_id, "K", 6, 8, ANYWHERE)
    assert controller.message == "The segment has no prompts on the axial slices 7 to 9. Add one there."
    mark(person, 5, "ends here")
    controller.propagate(segment_id, "K", 6, 8, ANYWHERE)
    assert "axial slices 7 to 9 lie beyond the segment's marked ends" in controller.message


def test_the_next_prompt_is_shown_with_its_segment_and_is_refused_before_a_propagation(person):
    verbs = person.verbs.by_name()
    verbs["next prompt"]()
    assert "Propagate first" in person.room.state().message
    person.prompt(BOX)
    person.room.workspace.controller.propagate(person.room.choice.segment_id, "K", 2, 6, ANYWHERE)
    person.settle()
    offered = person.room.state().next_prompt
    assert offered.index in (2, 3, 5, 6)
    show_slice(person.room.choice.volume_node, SliceKey("K", 0))
    verbs["next prompt"]()
    person.settle()
    assert person.room.key == SliceKey("K", offered.index)


def test_ends_are_saved_with_the_scene_and_there_again(person):
    person.prompt(BOX)
    mark(person, 3, "starts here")
    person.room.end()
    person.room.begin(person.room.choice.volume_node.GetScene())
    person.settle()
    assert extents(person) == [Extent("K", first=3)]


def test_ends_outlive_a_crash(world, a_volume_node, model_file, tmp_path, person):
    person.prompt(BOX)
    mark(person, 3, "starts here")
    mark(person, 6, "ends here")
    person.crash()
    again = Person(world, a_volume_node, model_file, tmp_path / "journals")
    again.room.choose(segmentation_node=again.verbs.continue_work())
    again.settle()
    assert extents(again) == [Extent("K", 3, 6)]
    again.room.end()
    again.room.worker.close()


def test_another_model_keeps_the_ends(person, calibrated_file):
    person.prompt(BOX)
    mark(person, 3, "starts here")
    mark(person, 6, "ends here")
    before = person.room.workspace
    person.room.choose(model_path=calibrated_file)
    person.settle()
    assert person.room.workspace is not before
    assert extents(person) == [Extent("K", 3, 6)]


def test_thorough_is_a_switch_that_the_next_propagation_follows(person):
    person.prompt(BOX)
    show_slice(person.room.choice.volume_node, SliceKey("K", 4))
    person.settle()
    assert person.room.state().thorough_cost == ""
    person.verbs.by_name()["thorough"](True)
    person.settle()
    assert person.room.workspace.controller.thorough
    assert "more slices" in person.room.state().thorough_cost
