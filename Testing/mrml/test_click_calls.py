"""What one click costs beside the network: its way is short enough to be read from one end to the other."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import SliceKey, WindowLevel
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import world_from_ijk
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.call_count import CallCount
from Testing.support.finished import PATIENCE_SECONDS
from Testing.support.grey_predictor import MODEL, GreyPredictor

# Half of what it took while session and segments kept a history each and drew four times: 338 and 126. Since then
# it is asked which prompts a checkpoint's conventions allow, and how much memory a step of the history keeps.
MOST_CALLS, MOST_FILE_CHANGES = 169 + 23, 63 + 15


@pytest.fixture
def count():
    found = CallCount()
    yield found
    found.close()


@pytest.fixture
def counted_worker(count):
    found = Worker()
    yield found
    found.close()


def test_one_point_takes_few_calls_in_few_places(a_volume_node, count, counted_worker):
    node = new_segmentation(a_volume_node, "Organs")
    liver = node.GetSegmentation().AddEmptySegment("", "liver")
    workspace = Workspace(a_volume_node, node, MODEL, counted_worker, WindowLevel(600, 200), predictor=GreyPredictor())
    workspace.segment_id = liver
    position = world_from_ijk(a_volume_node, (7.2, 5.1, 4.3)).tolist()
    count.reset()
    with count.counting():
        workspace.markups.nodes["positive"].AddControlPointWorld(position)
    assert counted_worker.wait(PATIENCE_SECONDS)
    with count.counting():
        workspace.controller.deliver()
    assert workspace.segments.read(liver, SliceKey("K", 4)).any()
    assert not workspace.controller.is_busy
    assert 0 < count.calls <= MOST_CALLS
    assert 0 < count.file_changes <= MOST_FILE_CHANGES
