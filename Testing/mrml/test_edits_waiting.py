"""Edits by hand that wait for their turn, or are refused, beside others: none is lost, and the words are true."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import PointPrompt
from dfqsam_core.volume.brush import Brush
from dfqsam_scene.jobs.worker import Job
from dfqsam_scene.prompting.hand_edits import MaskEdit
from Testing.mrml.test_hand_edits import PARTS, Desk
from Testing.support.finished import PATIENCE_SECONDS
from Testing.support.phantom import world_of


@pytest.fixture
def desk(a_volume_node: Any, worker: Any, phantom_file: Any) -> Any:
    found = Desk(a_volume_node, worker, sitk.ReadImage(str(phantom_file)))
    yield found
    found.workspace.close()


@contextlib.contextmanager
def held(desk: Desk) -> Iterator[None]:
    """What is asked for in this block waits until its end."""
    gate = threading.Event()
    desk.worker.submit(Job(lambda _: gate.wait(PATIENCE_SECONDS)))
    try:
        yield
    finally:
        gate.set()
        desk.settle()


def dab(desk: Desk, role: str, voxel: Any, size: float = 2.5) -> None:
    """Place a stroke, and wait for nothing."""
    desk.workspace.markups.use_brush(Brush(size))
    desk.workspace.markups.nodes[role].AddControlPointWorld(world_of(desk.image, voxel).tolist())


def test_a_stroke_that_is_refused_takes_no_later_one_with_it(desk: Desk) -> None:
    with held(desk):
        desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 4)))
        dab(desk, "brush", (60, 5, 4))
        dab(desk, "brush", (1, 1, 4))
        desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 6)))
    found = desk.voxels()
    assert found[4, 1, 1], "the stroke after the refused one is drawn"
    assert found[4, 5, 7]
    assert found[6, 5, 7]


def test_a_correction_that_would_leave_nothing_takes_no_later_one_with_it(desk: Desk) -> None:
    desk.draw(PARTS)
    with held(desk):
        desk.controller.add_prompt(desk.spleen, PointPrompt((1, 10, 0)))
        desk.controller.edit(MaskEdit(desk.liver, "small", 100.0))
        desk.controller.edit(MaskEdit(desk.liver, "largest"))
    assert 0 < desk.voxels().sum() < PARTS.sum()


def test_undo_takes_back_what_waits_one_by_one_and_lets_the_rest_go_on(desk: Desk) -> None:
    with held(desk):
        desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 4)))
        dab(desk, "brush", (1, 1, 4))
        dab(desk, "brush", (12, 10, 4))
        desk.controller.undo()
    found = desk.voxels()
    assert found[4, 5, 7], "what was worked on is not lost"
    assert found[4, 1, 1], "nor the first stroke"
    assert not found[4, 10, 12]
    desk.undo()
    assert not desk.voxels()[4, 1, 1]
    assert desk.voxels()[4, 5, 7]


def test_a_correction_says_what_was_changed_and_what_other_segments_kept(desk: Desk) -> None:
    desk.draw(PARTS)
    hole = np.zeros_like(PARTS)
    hole[4, 5, 5] = True
    desk.draw(hole, desk.spleen)
    desk.correct("holes")
    assert "added" not in desk.controller.message
    assert desk.controller.message.startswith("Nothing changed. Other segments or the masking kept 1 voxel as")
    assert not desk.controller.can_undo
    np.testing.assert_array_equal(desk.voxels(), PARTS)
    desk.controller.protect_others = False
    desk.correct("holes")
    assert "Filled holes: 1 voxel (0.0014 ml) added." in desk.controller.message
    assert not desk.voxels(desk.spleen).any()
    desk.undo()
    np.testing.assert_array_equal(desk.voxels(desk.spleen), hole)


def test_an_eraser_that_finds_nothing_says_so_and_not_that_others_are_protected(desk: Desk) -> None:
    dab(desk, "eraser", (7, 5, 4))
    desk.settle()
    assert desk.controller.message == "Nothing changed: there is nothing of the chosen segment to erase."
    assert not desk.controller.can_undo
