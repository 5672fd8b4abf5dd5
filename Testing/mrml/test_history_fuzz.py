"""Whatever a person does in whatever order, undo and redo go through the very states that were there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import PointPrompt, SliceKey
from dfqsam_core.volume.brush import Brush
from dfqsam_scene.nodes.volume_node import world_from_ijk
from dfqsam_scene.prompting.hand_edits import MaskEdit
from Testing.mrml.test_segment_history import Room
from Testing.support.finished import settle
from Testing.support.prompts import ANYWHERE

KINDS = (("largest", 0.0), ("small", 0.01), ("holes", 0.0), ("median", 2.4), ("gaussian", 1.0))


class Hands:
    """Does one of many things; `state` is all that undo brings back."""

    def __init__(self, room: Room, seed: int) -> None:
        self.room, self.random = room, np.random.default_rng(seed)
        self.acts = [self.prompt, self.stroke, self.stroke, self.correct, self.propagate, self.mark, self.protect]
        self.acts += [self.add, self.remove, self.rename, self.recolor, self.clear, self.candidate]

    @property
    def controller(self) -> Any:
        return self.room.room.workspace.controller

    @property
    def count(self) -> int:
        """Actions that undo has."""
        return len(self.room.room.loader.history_of(self.room.room.choice)._done)

    def act(self) -> str:
        if not self.room.ids:
            self.add()
            self.settle()
            return "add"
        self.room.verbs.choose_segment(self.any_segment())
        self.settle()
        act = self.acts[self.random.integers(len(self.acts))]
        act()
        self.settle()
        return act.__name__

    def settle(self) -> None:
        settle(self.room.room.worker, self.room.room.tick)

    def any_segment(self) -> str:
        return self.room.ids[self.random.integers(len(self.room.ids))]

    def any_voxel(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.random.integers((1, 1, 1), (13, 11, 8)))

    def prompt(self) -> None:
        point = PointPrompt(self.any_voxel(), positive=bool(self.random.random() < 0.7))
        self.controller.add_prompt(self.chosen, point)

    def stroke(self) -> None:
        markups = self.room.room.workspace.markups
        markups.use_brush(Brush(float(self.random.choice((2.5, 6.0, 200.0))), bool(self.random.random() < 0.4)))
        node = markups.nodes[self.random.choice(("brush", "eraser"))]
        was = node.StartModify()
        for voxel in (self.any_voxel(), self.any_voxel()):
            node.AddControlPointWorld(world_from_ijk(self.room.volume_node, voxel).tolist())
        node.EndModify(was)

    def correct(self) -> None:
        kind, amount = KINDS[self.random.integers(len(KINDS))]
        key = SliceKey("IJK"[self.random.integers(3)], 4) if self.random.random() < 0.4 else None
        self.controller.edit(MaskEdit(self.chosen, kind, amount, key))

    def propagate(self) -> None:
        self.controller.propagate(self.chosen, "K", 1, 7, ANYWHERE)

    def mark(self) -> None:
        key = SliceKey("K", int(self.random.integers(9)))
        self.controller.mark_end(self.chosen, key, self.random.choice(("first", "last")))

    def protect(self) -> None:
        self.room.room.choose(protect_others=bool(self.random.random() < 0.5))

    def add(self) -> None:
        self.room.verbs.add_segment()

    def remove(self) -> None:
        self.room.verbs.remove_segment(self.any_segment())

    def rename(self) -> None:
        self.room.verbs.rename_segment(self.any_segment(), self.random.choice(("liver", "spleen", "a", "b")))

    def recolor(self) -> None:
        self.room.verbs.recolor_segment(self.any_segment(), f"#{self.random.integers(2**24):06x}")

    def clear(self) -> None:
        self.controller.clear_segment(self.chosen)

    def candidate(self) -> None:
        for (segment_id, key), _ in self.room.room.workspace.prompts().items():
            if self.controller.prediction(segment_id, key) is not None:
                self.controller.choose_candidate(segment_id, key, int(self.random.integers(3)))
                return

    @property
    def chosen(self) -> str:
        return self.room.room.workspace.segment_id

    def state(self) -> dict[str, Any]:
        segmentation, workspace = self.room.node.GetSegmentation(), self.room.room.workspace
        found: dict[str, Any] = {"ids": self.room.ids, "prompts": workspace.prompts()}
        for segment_id in self.room.ids:
            segment = segmentation.GetSegment(segment_id)
            planes = [workspace.segments.read(segment_id, SliceKey("K", k)) for k in range(9)]
            color = tuple(round(255 * part) for part in segment.GetColor())
            found[segment_id] = segment.GetName(), color, np.packbits(planes).tobytes()
            extent = self.controller.extent(segment_id, "K")
            found["ends", segment_id] = extent.first, extent.last
        return found


@pytest.fixture
def room(a_volume_node: Any, model_file: Path) -> Any:
    found = Room(a_volume_node, model_file)
    found.open()
    yield found
    found.room.close()


@pytest.mark.parametrize("seed", range(4))
def test_undo_and_redo_go_through_the_states_that_were_there(room: Room, seed: int) -> None:
    hands = Hands(room, seed)
    states, done = [hands.state()], ["begin"]
    for _ in range(25):
        before = hands.count
        name = hands.act()
        assert before <= hands.count <= before + 1, name
        if hands.count > before:
            states.append(hands.state())
            done.append(name)
        else:
            assert hands.state() == states[-1], name
    assert len(states) > 8

    def is_as(state: dict[str, Any]) -> None:
        found = hands.state()
        assert {key for key in state.keys() | found.keys() if state.get(key) != found.get(key)} == set(), done

    for state in states[-2::-1]:
        room.verbs.move_history(forwards=False)
        hands.settle()
        is_as(state)
    for state in states[1:]:
        room.verbs.move_history(forwards=True)
        hands.settle()
        is_as(state)
