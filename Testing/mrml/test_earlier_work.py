"""A scene and a session that version 0.1 saved, before one history and one room: its prompts and masks are all there.

Testing/data/earlier_work was made by that version itself: points, boxes, another candidate and a propagation.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import SliceKey, WindowLevel, read_volume, restore_session
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.segmentations import whole

EARLIER = Path(__file__).parents[1] / "data" / "earlier_work"
PROMPTS = {
    (segment, SliceKey(*key)): prompts for segment, key, prompts in json.loads((EARLIER / "prompts.json").read_text())
}
MASKS = dict(np.load(EARLIER / "masks.npz"))


@pytest.fixture
def opened(world, worker, tmp_path):
    """The scene in the workspace of today."""
    folder = shutil.copytree(EARLIER / "scene", tmp_path / "scene")
    world.scene.SetRootDirectory(str(folder))
    world.scene.SetURL(str(folder / "scene.mrml"))
    assert world.scene.Import(None)
    nodes = map(world.scene.GetFirstNodeByName, ("CT", "Organs"))
    found = Workspace(*nodes, MODEL, worker, WindowLevel(600, 200), predictor=GreyPredictor())
    yield found
    found.close()


def test_the_scene_opens_with_its_prompts_and_masks(opened):
    assert opened.notice == ""
    assert {place: [repr(p) for p in prompts] for place, prompts in opened.prompts().items()} == PROMPTS
    for segment_id, mask in MASKS.items():
        assert mask.any()
        np.testing.assert_array_equal(whole(opened.segments, segment_id), mask)
    points = {role: opened.markups.nodes[role].GetNumberOfControlPoints() for role in ("positive", "negative", "box")}
    assert points == {"positive": 3, "negative": 1, "box": 0}


def test_the_scene_is_continued_where_it_was(opened):
    """Candidates are there: the generous one of the slice on which the careful one was chosen covers more."""
    key = SliceKey("K", 6)
    prediction = opened.controller.prediction("liver", key)
    assert prediction.chosen == 0
    opened.controller.choose_candidate("liver", key, 2)
    assert opened.segments.read("liver", key).sum() > MASKS["liver"][6].sum()
    opened.controller.undo()
    np.testing.assert_array_equal(whole(opened.segments, "liver"), MASKS["liver"])


def test_the_session_file_opens_with_its_prompts_and_masks():
    volume = read_volume(EARLIER / "scene" / "vtkMRMLScalarVolumeNode1.nrrd")
    session = restore_session(EARLIER / "session.json", volume, MODEL, predictor=GreyPredictor())
    names = {segment.name: segment.label for segment in session.segments}
    found = {
        (name, key): [repr(prompt) for prompt in session.prompts(label, key)]
        for name, label in names.items()
        for key in session.slices_of(label)
        if session.prompts(label, key)
    }
    assert found == PROMPTS
    for name, label in names.items():
        for index, plane in enumerate(MASKS[name]):
            np.testing.assert_array_equal(session.region(label, SliceKey("K", index)), plane)
