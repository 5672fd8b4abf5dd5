"""Adding, removing, naming and colouring segments are steps of the same history as prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import PointPrompt, SliceKey
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.slice_views import middle_of_slice, show_slice, shown_slice
from dfqsam_scene.nodes.volume_node import view_axis, world_from_ijk
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting
from dfqsam_scene.prompting.verbs import Verbs
from Testing.support.finished import settle

KEY = SliceKey("K", 4)


class Room:
    """A room on the phantom, with one segment; verbs: of a person."""

    def __init__(self, volume_node: Any, model: Path) -> None:
        self.room = Prompting(FrontEnd(keeps_lock=False))
        self.verbs = Verbs(self.room)
        self.volume_node = volume_node
        self.node = new_segmentation(volume_node, "Organs")
        self.room.begin(volume_node.GetScene())
        self.room.choose(volume_node=volume_node, segmentation_node=self.node, model_path=model)
        self.verbs.add_first_segment()

    def open(self) -> None:
        """Let the model load."""
        settle(self.room.worker, self.room.tick)

    @property
    def ids(self) -> list[str]:
        return list(self.node.GetSegmentation().GetSegmentIDs())

    def prompt(self) -> None:
        """One point inside, answered."""
        markups = self.room.workspace.markups
        markups.nodes["positive"].AddControlPointWorld(world_from_ijk(self.volume_node, (7, 5, 4)).tolist())
        settle(self.room.worker, self.room.tick)

    def plane(self, segment_id: str) -> np.ndarray:
        return self.room.workspace.segments.read(segment_id, KEY)


@pytest.fixture
def room(a_volume_node: Any, model_file: Path) -> Any:
    found = Room(a_volume_node, model_file)
    yield found
    found.room.close()


def test_a_removed_segment_comes_back_with_voxels_prompts_name_and_place(room: Room) -> None:
    room.open()
    (liver,) = room.ids
    room.verbs.rename_segment(liver, "liver")
    room.verbs.recolor_segment(liver, "#102030")
    room.prompt()
    drawn = room.plane(liver)
    assert drawn.any()
    room.verbs.add_segment()
    spleen = room.ids[1]
    room.verbs.remove_segment(liver)
    assert room.ids == [spleen]
    room.verbs.move_history(forwards=False)
    assert room.ids == [liver, spleen]
    np.testing.assert_array_equal(room.plane(liver), drawn)
    segment = room.node.GetSegmentation().GetSegment(liver)
    assert (segment.GetName(), segment.GetColor()) == ("liver", pytest.approx((16 / 255, 32 / 255, 48 / 255)))
    assert len(room.room.workspace.prompts()) == 1
    assert room.room.choice.segment_id == liver


def test_undo_goes_through_list_and_prompts_in_the_order_they_were_done(room: Room) -> None:
    """Ctrl+Z after the X took another segment's prompt away."""
    room.open()
    (liver,) = room.ids
    room.prompt()
    room.verbs.add_segment()
    spleen = room.ids[1]
    room.verbs.rename_segment(spleen, "spleen")
    room.verbs.remove_segment(spleen)
    drawn = room.plane(liver)
    room.verbs.move_history(forwards=False)
    assert room.node.GetSegmentation().GetSegment(spleen).GetName() == "spleen"
    room.verbs.move_history(forwards=False)
    assert room.node.GetSegmentation().GetSegment(spleen).GetName() != "spleen"
    room.verbs.move_history(forwards=False)
    assert room.ids == [liver]
    np.testing.assert_array_equal(room.plane(liver), drawn)
    room.verbs.move_history(forwards=False)
    assert not room.plane(liver).any()
    for _ in range(4):
        room.verbs.move_history(forwards=True)
    assert room.ids == [liver]
    np.testing.assert_array_equal(room.plane(liver), drawn)
    assert not room.room.state().can_redo


def test_what_was_drawn_by_hand_survives_the_undo_of_its_segment(room: Room) -> None:
    room.open()
    room.verbs.add_segment()
    spleen = room.ids[1]
    by_hand = np.zeros((12, 14), bool)
    by_hand[3:6, 4:9] = True
    room.room.workspace.segments.restore(spleen, KEY, by_hand)
    room.verbs.move_history(forwards=False)
    assert spleen not in room.ids
    room.verbs.move_history(forwards=True)
    np.testing.assert_array_equal(room.plane(spleen), by_hand)


def test_a_removal_while_the_model_loads_is_taken_back(room: Room) -> None:
    (liver,) = room.ids
    room.verbs.remove_segment(liver)
    assert room.room.state().can_undo
    room.verbs.move_history(forwards=False)
    assert room.ids == [liver]
    room.open()
    room.verbs.move_history(forwards=True)
    assert room.ids == []


def test_another_model_keeps_the_history(room: Room, calibrated_file: Path) -> None:
    room.open()
    (liver,) = room.ids
    room.prompt()
    drawn = room.plane(liver)
    room.verbs.change_model(calibrated_file)
    room.open()
    np.testing.assert_array_equal(room.plane(liver), drawn)
    room.verbs.move_history(forwards=False)
    assert not room.plane(liver).any()
    assert room.room.workspace.prompts() == {}
    room.verbs.move_history(forwards=True)
    np.testing.assert_array_equal(room.plane(liver), drawn)
    assert room.room.workspace.controller.prediction(liver, KEY) is None, "the other model's candidates"


def test_a_click_while_the_model_loads_waits_for_it_and_can_be_taken_back(room: Room) -> None:
    (liver,) = room.ids
    room.room.tick()
    waiting = room.room.loader.waiting
    points = waiting.markups.nodes["positive"]
    points.AddControlPointWorld(world_from_ijk(room.volume_node, (7, 5, 4)).tolist())
    points.AddControlPointWorld(world_from_ijk(room.volume_node, (8, 5, 4)).tolist())
    assert [row.index for row in room.room.state().prompts] == [4, 4]
    room.verbs.move_history(forwards=False)
    assert points.GetNumberOfControlPoints() == 1
    room.open()
    assert len(room.room.workspace.prompts()[liver, KEY]) == 1
    assert room.plane(liver).any()
    room.verbs.move_history(forwards=False)
    assert not room.plane(liver).any()


def test_the_badge_names_the_model_that_answers(room: Room, calibrated_file: Path) -> None:
    room.open()
    before = room.room.state().model
    room.verbs.change_model(calibrated_file.with_name("not-there.safetensors"))
    assert room.room.state().model == before


def test_a_prompt_and_its_undo_bring_their_slice_to_view(room: Room, world: Any) -> None:
    view = world.slice_view("Axial")
    view.SetLayoutName("Red")
    composite = world.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetLayoutName(view.GetLayoutName())
    composite.SetBackgroundVolumeID(room.volume_node.GetID())
    room.open()
    axis = view_axis(room.volume_node, view, middle_of_slice(room.volume_node, KEY))
    show_slice(room.volume_node, SliceKey(axis, 1))
    room.room.tick()
    (liver,) = room.ids
    at = {"I": (3, 5, 4), "J": (7, 3, 4), "K": (7, 5, 3)}[axis]
    room.room.workspace.controller.add_prompt(liver, PointPrompt(at, True, axis))
    assert shown_slice(room.volume_node, view) == SliceKey(axis, 3)
    settle(room.room.worker, room.room.tick)
    show_slice(room.volume_node, SliceKey(axis, 1))
    room.verbs.move_history(forwards=False)
    assert shown_slice(room.volume_node, view) == SliceKey(axis, 3)


def test_what_somebody_else_changed_of_a_segment_stays_when_our_own_change_is_taken_back(room: Room) -> None:
    """Slicer's own segments table is outside of the history."""
    room.open()
    (liver,) = room.ids
    segment = room.node.GetSegmentation().GetSegment(liver)
    first_color = segment.GetColor()
    room.verbs.rename_segment(liver, "liver")
    segment.SetColor(0.25, 0.5, 0.75)
    room.verbs.move_history(forwards=False)
    assert segment.GetName() != "liver"
    assert segment.GetColor() == (0.25, 0.5, 0.75)
    room.verbs.move_history(forwards=True)
    assert segment.GetName() == "liver"
    assert segment.GetColor() == (0.25, 0.5, 0.75)
    room.verbs.recolor_segment(liver, "#102030")
    segment.SetName("left lobe")
    room.verbs.move_history(forwards=False)
    assert (segment.GetName(), segment.GetColor()) == ("left lobe", (0.25, 0.5, 0.75))
    room.verbs.move_history(forwards=False)
    assert segment.GetName() == "left lobe", "that name is not ours to take back"
    assert segment.GetColor() != first_color


def test_a_stroke_while_the_model_loads_waits_for_it_and_can_be_taken_back(room: Room) -> None:
    (liver,) = room.ids
    room.room.tick()
    brush = room.room.loader.waiting.markups.nodes["brush"]
    for voxel in ((10, 5, 4), (1, 5, 4)):
        brush.AddControlPointWorld(world_from_ijk(room.volume_node, voxel).tolist())
    assert room.room.state().can_undo
    room.verbs.move_history(forwards=False)
    room.open()
    assert room.plane(liver)[5, 10]
    assert not room.plane(liver)[5, 1]
    room.verbs.move_history(forwards=False)
    assert not room.plane(liver).any()
