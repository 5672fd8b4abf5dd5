"""Scribble, lasso and 3D box at the panel and in the effect, checked against the headless core with the same model."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from dfqsam_core import load_model
from dfqsam_core.volume import BoxPrompt, LassoPrompt, ScribblePrompt, SliceKey, VolumeSession
from dfqsam_scene.nodes.slice_views import show_slice
from dfqsam_scene.nodes.volume_node import world_from_ijk

K4 = SliceKey("K", 4)
LINE = [(4, 5, 4), (7, 4, 4), (10, 5, 4)]
RING = [(2, 1, 4), (12, 1, 4), (12, 9, 4), (2, 9, 4)]


def headless(person, model_file):
    """(K, J, I) bool: what the core alone makes of the prompts of the chosen segment."""
    session = VolumeSession(person.workspace.session.volume, load_model(model_file))
    session.add_segment(1, "alone")
    for (_, key), prompts in person.workspace.prompts().items():
        session.set_prompts(1, key, prompts)
    return session.labels_kji == 1


def drawn(person):
    segments = person.workspace.segments
    return np.stack([segments.read(person.workspace.segment_id, SliceKey("K", k)) for k in range(9)])


def rows(person):
    table = person.ui.promptTable
    return [table.item(n, 2).text() for n in range(table.rowCount)]


@pytest.mark.parametrize(
    ("role", "places", "kind", "words"),
    [
        ("scribble", LINE, ScribblePrompt, "Scribble +"),
        ("lasso", RING, LassoPrompt, "Lasso +"),
    ],
)
def test_a_stroke_by_button_or_key_is_listed_written_and_taken_back(person, model_files, role, places, kind, words):
    person.press(f"{role}Button")
    assert "Hold the button down" in person.message
    person.stroke(*places)
    (stroke,) = person.workspace.prompts_on(K4)
    assert isinstance(stroke, kind)
    assert np.abs(np.subtract(stroke.voxels_ijk[0], places[0])).max() <= 1
    assert rows(person)[0].startswith(words)
    expected = headless(person, model_files[0])
    assert expected.any()
    np.testing.assert_array_equal(drawn(person), expected)
    person.key(f"{role}_out")
    assert (getattr(person.ui, f"{role}Button").checked, getattr(person.ui, f"{role}_outButton").checked) == (
        False,
        True,
    )
    person.stroke((1, 9, 4), (3, 9, 4), (3, 7, 4))
    assert [prompt.positive for prompt in person.workspace.prompts_on(K4)] == [True, False]
    np.testing.assert_array_equal(drawn(person), headless(person, model_files[0]))
    person.press("undoButton")
    np.testing.assert_array_equal(drawn(person), expected)
    person.ui.promptTable.selectRow(0)
    person.wait()
    person.press("removePromptButton")
    assert rows(person) == []
    assert not drawn(person).any()


def test_a_preview_of_a_stroke_is_not_written_before_it_is_accepted(person):
    person.ui.autoAcceptBox.setChecked(False)
    person.press("scribbleButton")
    person.stroke(*LINE)
    assert not drawn(person).any()
    person.press("acceptButton")
    assert drawn(person).any()


def test_a_3d_box_puts_its_tool_down_and_is_one_undo(person, model_files):
    person.press("roiButton")
    person.drag((0, 0, 4), (13, 11, 4))
    assert not person.ui.roiButton.checked
    found = person.workspace.prompts()
    assert len(found) > 1
    assert all(isinstance(prompt, BoxPrompt) for prompts in found.values() for prompt in prompts)
    np.testing.assert_array_equal(drawn(person), headless(person, model_files[0]))
    person.press("undoButton")
    assert (rows(person), drawn(person).any()) == ([], False)
    assert not person.ui.undoButton.isEnabled()


def test_a_stroke_that_is_drawn_while_another_model_is_loaded_is_predicted_by_that_model(person, model_files):
    person.press("scribbleButton")
    person.panel.room.choose(model_path=model_files[1])
    person.widget.onTick()
    assert person.panel.room.loader.is_loading
    person.stroke(*LINE)
    (prompt,) = person.workspace.prompts_on(K4)
    assert isinstance(prompt, ScribblePrompt)
    expected = headless(person, model_files[1])
    assert expected.any()
    np.testing.assert_array_equal(drawn(person), expected)
    person.press("undoButton")
    assert (rows(person), drawn(person).any()) == ([], False)


@pytest.mark.parametrize("role", ["scribble", "lasso", "box"])
@pytest.mark.parametrize("change", ["volume", "segment"])
def test_a_drag_during_which_the_volume_or_the_segment_changes_places_nothing(
    person, world, phantom_file, role, change
):
    person.press("addSegmentButton", "addSegmentButton", f"{role}Button")
    layout, places = person.views.layout, world_from_ijk(person.panel.room.choice.volume_node, RING).tolist()
    layout.press("Red", places[0])
    for place in places[1:]:
        layout.move("Red", place)
    if change == "volume":
        person.ui.volumeSelector.setCurrentNode(world.read_volume(phantom_file, "other"))
    else:
        person.key("next segment")
    person.wait()
    layout.release("Red", places[-1])
    person.click(RING[-1])
    assert rows(person) == []
    assert not person.panel.room.state().is_error
    if role != "box":
        show_slice(person.panel.room.choice.volume_node, K4)
        person.stroke(*RING)
        assert len(rows(person)) == 1
