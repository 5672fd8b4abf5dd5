"""Names and messages of any length and content are shown short and readable, in every front end."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_scene.jobs.failure import sentence
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting

JUNK = "liver\x1b]0;owned\x07\u202e\ud800\n" + "x" * 10_000_000


def test_a_segment_of_a_very_long_name_is_shown_in_one_short_line(world, a_volume_node):
    room = Prompting(FrontEnd())
    room.begin(world.scene)
    node = new_segmentation(a_volume_node, "segmentation")
    node.GetSegmentation().AddEmptySegment("", JUNK.replace("\ud800", ""))
    room.choose(volume_node=a_volume_node, segmentation_node=node)
    name = room.state().segments[0].name
    assert len(name) <= 200
    assert name.startswith("liver\\u001b]0;owned\\u0007\\u202e")
    assert name.isprintable()
    room.say(JUNK)
    assert len(room.state().message) < 2100
    assert room.state().message.isprintable()
    room.close()


def test_what_another_library_says_is_cut():
    text = sentence(RuntimeError(JUNK))
    assert len(text) < 2100
    assert text.isprintable()
    assert text.endswith("Please report it.")
