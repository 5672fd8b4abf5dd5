"""A preview on a volume that moves away from under it is a sentence; it can be accepted when the volume is back."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import PointPrompt, SliceKey, WindowLevel
from dfqsam_scene.nodes.saved_session import load_session
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.finished import settle
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.phantom import PARENT

K4 = SliceKey("K", 4)
NAME = "DFQSAMSlicer preview"


@pytest.fixture
def workspace(a_volume_node, worker):
    """With a preview on slice 4 of the segment "liver"."""
    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    found = Workspace(a_volume_node, node, MODEL, worker, WindowLevel(600, 200), predictor=GreyPredictor())
    found.segment_id, found.controller.auto_accept = "liver", False
    found.controller.add_prompt("liver", PointPrompt((7, 5, 4)))
    settle(worker, found.controller.deliver)
    assert found.controller.preview is not None
    return found


@pytest.fixture
def back(workspace, world, a_volume_node):
    """Moves the volume; what it gives moves it back."""
    place = a_volume_node.GetTransformNodeID()
    elsewhere = world.transform(PARENT @ np.diag([1, 1, -1, 1.0]), "Elsewhere")
    a_volume_node.SetAndObserveTransformNodeID(elsewhere.GetID())
    return lambda: a_volume_node.SetAndObserveTransformNodeID(place)


def test_it_is_kept_when_it_cannot_be_written_and_written_when_it_can(workspace, back):
    shown = workspace.controller.preview.prediction.mask
    workspace.controller.accept_preview()
    assert "has moved" in workspace.controller.message
    assert workspace.controller.preview is not None
    back()
    workspace.controller.accept_preview()
    assert (workspace.controller.message, workspace.controller.preview) == ("", None)
    np.testing.assert_array_equal(workspace.segments.read("liver", K4), shown)


def test_it_can_be_discarded_anywhere(workspace, back, world):
    workspace.controller.discard_preview()
    assert (workspace.controller.message, workspace.controller.preview) == ("", None)
    assert world.scene.GetFirstNodeByName(NAME) is None
    back()
    workspace.controller.undo()
    assert workspace.controller.message == "There is nothing to undo."


def test_leaving_keeps_the_session_and_takes_the_preview_away(workspace, back, world, a_volume_node):
    segmentation_node, volume = workspace.segments.node, workspace.session.volume
    workspace.controller.writer.remember("liver", PointPrompt((3, 3, 2)))
    workspace.leave()
    assert not workspace.is_open
    assert world.scene.GetFirstNodeByName(NAME) is None
    session = load_session(segmentation_node, volume, MODEL, GreyPredictor())
    assert session.prompts(1, SliceKey("K", 2)) == (PointPrompt((3, 3, 2)),)


def test_a_candidate_that_there_is_not_is_a_sentence(workspace):
    workspace.controller.choose_candidate("liver", K4, 3)
    assert "no candidate 3" in workspace.controller.message
    workspace.controller.choose_candidate("liver", K4, 2)
    assert workspace.controller.preview.prediction.chosen == 2
