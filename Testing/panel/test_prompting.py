"""A radiologist's work at the panel, checked against the headless core with the same model."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from dfqsam_core import load_model
from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, VolumeSession
from Testing.support.finished import PATIENCE_SECONDS
from Testing.support.prompts import ANYWHERE

K4 = SliceKey("K", 4)
POINT, BOX = PointPrompt((7, 5, 4)), BoxPrompt((2, 2, 4), (9, 8, 4))


def headless(person, model_file, *prompts, window="auto"):
    """The mask that the core alone gives."""
    volume = person.workspace.session.volume
    session = VolumeSession(volume, load_model(model_file), window)
    session.add_segment(1, "alone")
    for prompt in prompts:
        session.add_prompt(1, prompt)
    return session.mask(1, prompts[-1].slice)


def drawn(person, key=K4, segment_id=None):
    return person.workspace.segments.read(segment_id or person.workspace.segment_id, key)


def drawn_slices(person):
    """(K, J, I) bool of the chosen segment."""
    return np.stack([drawn(person, SliceKey("K", k)) for k in range(9)])


def test_a_tool_a_click_and_accept_are_enough(person, world, model_files):
    person.ui.autoAcceptBox.setChecked(False)
    assert "Choose a tool" in person.message
    person.press("positiveButton")
    assert person.ui.segmentationSelector.currentNode().GetName() == "CT segmentation"
    assert "Click inside" in person.message
    person.click((7.2, 5.1, 4.3))
    assert "not written yet" in person.message
    assert not drawn(person).any()
    person.press("acceptButton")
    expected = headless(person, model_files[0], POINT)
    assert expected.any()
    np.testing.assert_array_equal(drawn(person), expected)
    person.press("undoButton")
    assert not drawn(person).any()
    person.press("redoButton")
    np.testing.assert_array_equal(drawn(person), expected)


def test_every_key_does_what_its_button_does(person, model_files):
    person.ui.autoAcceptBox.setChecked(False)
    person.key("box")
    assert person.ui.boxButton.checked
    person.click((2, 2, 4), (9, 8, 4))
    person.key("positive")
    assert (person.ui.boxButton.checked, person.ui.positiveButton.checked) == (False, True)
    person.click((7, 5, 4))
    person.key("candidate 2")
    preview = person.workspace.controller.preview
    assert preview.prompts == (BOX, POINT)
    assert preview.prediction.chosen == 1
    person.key("accept")
    np.testing.assert_array_equal(drawn(person), preview.prediction.mask)
    person.key("undo")
    assert not drawn(person).any()
    person.key("redo")
    person.key("negative")
    person.click((3, 3, 4))
    person.key("discard")
    assert person.workspace.prompts_on(K4) == (BOX, POINT)
    person.key("cancel")
    assert not person.ui.negativeButton.checked


def test_keys_are_left_to_other_modules(person):
    assert all(shortcut.enabled for shortcut in person.panel.shortcuts.by_name.values())
    person.press("positiveButton")
    person.widget.exit()
    assert not any(shortcut.enabled for shortcut in person.panel.shortcuts.by_name.values())
    assert person.panel.room.place_tool.place_mode.node is None


def test_escape_in_a_view_puts_the_tool_up(person, world):
    person.press("negativeButton")
    interaction = world.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    person.wait()
    assert not person.ui.negativeButton.checked


def test_half_a_box_is_forgotten_with_its_tool(person):
    person.press("boxButton")
    person.click((0, 0, 4))
    person.press("positiveButton", "boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    assert person.workspace.prompts_on(K4) == (BOX,)


def test_estimates_and_candidates_are_the_models(person):
    person.ui.autoAcceptBox.setChecked(False)
    person.press("positiveButton")
    person.click((7, 5, 4))
    prediction = person.workspace.controller.preview.prediction
    buttons = [person.ui.candidateButton1, person.ui.candidateButton2, person.ui.candidateButton3]
    assert [b.text for b in buttons] == [f"{n + 1}: {iou:.2f}" for n, iou in enumerate(prediction.predicted_iou)]
    assert [b.checked for b in buttons].index(True) == prediction.chosen
    assert "own estimate" in person.ui.candidateLabel.text


def test_accepting_at_once_and_a_second_segment_that_is_protected(person, model_files):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("positiveButton")
    person.click((7, 5, 4))
    first, before = person.workspace.segment_id, drawn(person)
    assert before.any()
    person.press("addSegmentButton")
    assert person.workspace.segment_id != first
    person.click((6, 5, 4))
    np.testing.assert_array_equal(drawn(person, segment_id=first), before)
    assert not (drawn(person) & before).any()
    person.choose_segment(0)
    assert person.workspace.segment_id == first


def test_the_list_shows_goes_to_and_removes_prompts(person, views, a_volume_node):
    from dfqsam_scene.nodes.slice_views import shown_slice

    person.press("positiveButton")
    person.click((7, 5, 4))
    person.click((7, 5, 6))
    table = person.ui.promptTable
    texts = [[table.item(row, column).text() for column in range(3)] for row in range(table.rowCount)]
    assert [row[2] for row in texts] == ["Point + (7, 5, 4)", "Point + (7, 5, 6)"]
    assert [row[1] for row in texts] == ["axial 5", "axial 7"]
    table.selectRow(1)
    person.wait()
    assert shown_slice(a_volume_node, views.red) == SliceKey("K", 6)
    person.press("removePromptButton")
    assert table.rowCount == 1
    assert not person.ui.removePromptButton.isEnabled()


def test_clearing_a_slice_takes_only_its_prompts(person):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("positiveButton")
    person.click((7, 5, 6))
    person.click((7, 5, 4))
    other = drawn(person, SliceKey("K", 6))
    person.press("clearSliceButton")
    assert not drawn(person).any()
    np.testing.assert_array_equal(drawn(person, SliceKey("K", 6)), other)


def test_the_slice_under_the_mouse_counts(person, views, a_volume_node):
    from dfqsam_scene.nodes.slice_views import show_slice, shown_slice

    person.ui.autoAcceptBox.setChecked(False)
    person.press("positiveButton")
    show_slice(a_volume_node, SliceKey("I", 7))
    views.move_mouse_to(views.yellow)
    person.wait()
    assert shown_slice(a_volume_node, views.yellow) == SliceKey("I", 7)
    assert person.ui.modelViewNote.text == "sagittal slice 8, 64 x 64 pixels"
    person.click((7, 5, 4))
    assert person.workspace.controller.preview.key == SliceKey("I", 7)


def test_another_window_is_shown_and_used(person, model_files):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    automatic = person.ui.modelViewLabel.pixmap.toImage()
    person.choose("windowBox", "lung")
    assert (person.ui.windowWidthBox.value, person.ui.windowLevelBox.value) == (1500, -600)
    assert person.ui.modelViewLabel.pixmap.toImage() != automatic
    person.click((2, 2, 4), (9, 8, 4))
    np.testing.assert_array_equal(drawn(person), headless(person, model_files[0], BOX, window="lung"))
    person.ui.windowWidthBox.setValue(700)
    person.wait()
    assert person.workspace.window.width == 700
    assert person.ui.windowBox.currentText == "Own numbers"


def test_the_window_of_the_display_can_be_taken(person, a_volume_node):
    a_volume_node.CreateDefaultDisplayNodes()
    display = a_volume_node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(333, 44)
    person.press("positiveButton")
    person.choose("windowBox", "Take from display")
    assert person.workspace.window.bounds == (44 - 166.5, 44 + 166.5)
    assert (display.GetWindow(), display.GetLevel()) == (333, 44)


def test_the_picture_is_what_the_model_gets(person):
    from DFQSAMSlicerLib.segment_panel.window_choice import seen_by_model

    person.press("positiveButton")
    session = person.workspace.session
    expected = seen_by_model(session.volume, K4, session.window, person.workspace.model)
    picture = person.ui.modelViewLabel.pixmap.toImage()
    shown = [[picture.pixelColor(x, y).red() for x in range(64)] for y in range(64)]
    np.testing.assert_array_equal(shown, expected)


def test_another_model_keeps_masks_and_prompts(person, model_files):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    before = drawn(person)
    person.widget.onModelChosen(model_files[1])
    person.wait()
    assert person.workspace.model.digest == load_model(model_files[1]).digest
    assert person.workspace.prompts_on(K4) == (BOX,)
    np.testing.assert_array_equal(drawn(person), before)
    assert model_files[1].name == person.ui.modelBox.currentText
    assert load_model(model_files[1]).digest[:16] in person.ui.modelCardLabel.text
    person.press("positiveButton")
    person.click((7, 5, 4))
    assert drawn(person)[before].all()


def test_propagation_says_where_it_stopped_and_is_one_step(person, monkeypatch):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    controller = person.workspace.controller
    monkeypatch.setattr(controller, "propagate", partial(controller.propagate, config=ANYWHERE))
    person.ui.firstSliceBox.setValue(4)
    person.ui.lastSliceBox.setValue(7)
    before = drawn_slices(person)
    person.press("propagateButton")
    assert person.ui.stopsLabel.text.splitlines() == [
        "Downwards to slice 4: end of the range.",
        "Upwards to slice 7: end of the range.",
    ]
    after = drawn_slices(person)
    assert np.flatnonzero(after.any(axis=(1, 2))).tolist() == [3, 4, 5, 6]
    np.testing.assert_array_equal(after[4], before[4])
    person.press("undoButton")
    np.testing.assert_array_equal(drawn_slices(person), before)
    person.press("redoButton")
    np.testing.assert_array_equal(drawn_slices(person), after)


def test_a_propagation_can_be_cancelled_and_changes_nothing(person, monkeypatch):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    before = drawn_slices(person)
    slices, begun, gate = person.workspace.session.slices, threading.Event(), threading.Event()
    predict = slices.predict

    def slow_predict(*args):
        begun.set()
        assert gate.wait(PATIENCE_SECONDS)
        return predict(*args)

    monkeypatch.setattr(slices, "predict", slow_predict)
    person.ui.propagateButton.click()
    assert begun.wait(PATIENCE_SECONDS)
    person.widget.onTick()
    assert person.ui.cancelButton.isEnabled()
    assert not person.ui.propagateButton.isEnabled()
    assert not person.ui.progressBar.isHidden()
    person.ui.cancelButton.click()
    gate.set()
    person.wait()
    assert person.message == "Cancelled."
    assert person.ui.progressBar.isHidden()
    np.testing.assert_array_equal(drawn_slices(person), before)


def test_seconds_are_measured_and_a_prepared_slice_needs_no_encoding(person):
    from dfqsam_scene.prompting.status import _time

    assert "with the first one" in person.ui.secondsLabel.text
    person.press("positiveButton")
    assert person.panel.room.worker.wait(PATIENCE_SECONDS, ahead_too=True)
    controller = person.workspace.controller
    prepared = person.workspace.session.slices.encodings
    assert prepared > 0
    person.click((7, 5, 4))
    assert person.workspace.session.slices.encodings == prepared
    assert controller.encoding_seconds is None
    assert f"prepared slice {_time(controller.decoding_seconds)}" in person.ui.secondsLabel.text
    person.ui.encodeAheadBox.setChecked(False)
    person.wait()
    person.click((7, 5, 0))
    assert f"first click on a slice {_time(controller.encoding_seconds)}" in person.ui.secondsLabel.text


def test_a_segment_made_by_hand_is_continued(person, a_volume_node):
    from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation

    node = new_segmentation(a_volume_node, "By hand")
    scene = SegmentScene(a_volume_node, node)
    by_hand = np.zeros((12, 14), bool)
    by_hand[0:2, 0:3] = True
    scene.restore(scene.add_segment("liver"), K4, by_hand)
    person.ui.segmentationSelector.setCurrentNode(node)
    person.wait()
    assert person.segments == ["liver"]
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    assert drawn(person)[by_hand].all()
    person.press("undoButton")
    np.testing.assert_array_equal(drawn(person), by_hand)


def test_a_drag_draws_a_box(person):
    person.press("boxButton")
    person.drag((2, 2, 4), (9, 8, 4))
    assert person.workspace.prompts_on(K4) == (BOX,)


def test_a_click_in_a_3d_view_is_a_sentence_and_no_prompt(person, views):
    person.press("positiveButton")
    node = person.panel.room.place_tool.place_mode.node
    # The mouse is in no slice view, as in Slicer's 3D view.
    views.crosshair.SetCursorPositionXYZ([0.0, 0.0, 0.0], None)
    node.AddControlPointWorld([20.0, -30.0, 40.0])
    person.wait()
    assert "a 3D view shows no slice" in person.message
    assert node.GetNumberOfControlPoints() == 0
    person.click((7, 5, 4))
    assert person.workspace.prompts_on(K4) == (POINT,)


def test_ticking_write_at_once_accepts_what_waits(person):
    person.ui.autoAcceptBox.setChecked(False)
    person.press("positiveButton")
    person.click((7, 5, 4))
    assert not drawn(person).any()
    person.ui.autoAcceptBox.setChecked(True)
    person.wait()
    assert drawn(person).any()
    assert not person.ui.acceptButton.isEnabled()


def test_masks_are_written_at_once_at_first(person):
    assert person.ui.autoAcceptBox.checked
    person.press("positiveButton")
    person.click((7, 5, 4))
    assert drawn(person).any()


@pytest.fixture
def two_slices(person):
    """A person with one segment that has a point on two slices, and a hand-drawn voxel (K, J, I) beside one of them."""
    from dfqsam_scene.nodes.slice_views import show_slice

    person.press("positiveButton")
    person.click(POINT.ijk)
    by_hand = np.argwhere(~drawn(person))[0]
    covered = drawn(person).copy()
    covered[tuple(by_hand)] = True
    person.workspace.segments.restore(person.workspace.segment_id, K4, covered)
    show_slice(person.ui.volumeSelector.currentNode(), SliceKey("K", 5))
    person.click((7, 5, 5))
    return person, (4, *by_hand)


@pytest.mark.parametrize("way", ["button", "key"])
def test_reset_takes_back_all_prompts_of_a_segment_and_undo_brings_them_back(two_slices, way):
    person, by_hand_kji = two_slices
    before = drawn_slices(person)
    prompts = person.workspace.prompts()
    assert before[4].any()
    assert len(prompts) == 2
    person.press("clearSegmentButton") if way == "button" else person.key("clear segment")
    assert person.workspace.prompts() == {}
    assert np.argwhere(drawn_slices(person)).tolist() == [list(by_hand_kji)]
    person.press("undoButton")
    assert person.workspace.prompts() == prompts
    np.testing.assert_array_equal(drawn_slices(person), before)


def test_next_segment_goes_round(person):
    person.press("addSegmentButton", "addSegmentButton", "addSegmentButton")
    room = person.panel.room
    ids = [row.id for row in room.state().segments]
    person.key("next segment")
    assert room.choice.segment_id == ids[0]
    person.press("nextSegmentButton")
    assert room.choice.segment_id == ids[1]
    assert person.segments == [row.name for row in room.state().segments if row.chosen]
    assert person.ui.segmentsTable.selectedSegmentIDs() == (ids[1],)


def test_a_row_of_the_table_that_goes_with_its_segment_chooses_another_one(person):
    person.press("addSegmentButton", "addSegmentButton")
    room = person.panel.room
    ids = [row.id for row in room.state().segments]
    person.press("removeSegmentButton")
    assert [row.id for row in room.state().segments] == ids[:1]
    assert person.ui.segmentsTable.selectedSegmentIDs() == (ids[0],)
    person.press("removeSegmentButton")
    assert room.state().segments == ()
    assert not person.ui.removeSegmentButton.isEnabled()
    assert not person.ui.show3DButton.isEnabled()


def test_a_key_hides_all_segments_and_shows_them_again(person):
    person.press("addSegmentButton")
    display = person.panel.room.choice.segmentation_node.GetDisplayNode()
    person.key("toggle segments")
    assert not display.GetVisibility()
    person.press("toggleSegmentsButton")
    assert display.GetVisibility()


@pytest.mark.parametrize("name", ["red", "green", "yellow"])
def test_the_range_is_told_in_millimetres_as_slicers_bar_shows_it(person, views, a_volume_node, name):
    from dfqsam_scene.nodes.slice_views import show_slice

    person.press("positiveButton")
    view = getattr(views, name)
    for axis, middle in zip("IJK", (7, 6, 4), strict=True):
        show_slice(a_volume_node, SliceKey(axis, middle))
    views.move_mouse_to(view)
    person.wait()
    place = person.panel.room.state().place
    offsets = []
    for index in (0, place.last):
        show_slice(a_volume_node, SliceKey(place.axis, index))
        offsets.append(f"{view.GetSliceOffset():.1f}")
    person.ui.firstSliceBox.setValue(1)
    person.ui.lastSliceBox.setValue(place.last + 1)
    assert person.ui.rangeLabel.text == f"{offsets[0]} to {offsets[1]} mm"


def test_the_panel_says_what_kind_of_model_answers(person):
    assert person.ui.modelSection.text == "Model"
    person.press("positiveButton")
    assert person.ui.modelSection.text == f"Model: {person.panel.room.state().model.kind}"
    assert "bits/weight" in person.ui.modelSection.text


def test_a_click_that_takes_away_all_of_a_loaded_slice_says_so_and_undo_brings_it_back(person):
    person.press("positiveButton")
    loaded = np.zeros_like(drawn(person))
    loaded[5, 7] = True
    person.workspace.segments.restore(person.workspace.segment_id, K4, loaded)
    person.press("negativeButton")
    person.click((7.2, 5.1, 4.3))
    assert not drawn(person).any()
    assert person.message.startswith("The prompt on axial slice 5 took away all that the segment had there")
    person.press("undoButton")
    np.testing.assert_array_equal(drawn(person), loaded)


def test_marked_ends_are_kept_to_and_said_on_their_buttons(person, a_volume_node, monkeypatch):
    from dfqsam_scene.nodes.slice_views import show_slice

    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    controller = person.workspace.controller
    monkeypatch.setattr(controller, "propagate", partial(controller.propagate, config=ANYWHERE))
    show_slice(a_volume_node, SliceKey("K", 3))
    person.wait()
    person.press("startsButton")
    assert (person.ui.startsButton.text, person.ui.startsButton.isChecked()) == ("Starts: 4", True)
    show_slice(a_volume_node, SliceKey("K", 6))
    person.wait()
    assert not person.ui.startsButton.isChecked()
    person.press("endsButton")
    assert "from axial slice 4 to 7" in person.ui.messageLabel.text
    person.ui.firstSliceBox.setValue(1)
    person.ui.lastSliceBox.setValue(9)
    person.press("propagateButton")
    assert np.flatnonzero(drawn_slices(person).any(axis=(1, 2))).tolist() == [3, 4, 5, 6]
    assert "Upwards to slice 7: end of the object." in person.ui.stopsLabel.text
    person.press("endsButton")
    assert person.ui.endsButton.text == "Ends here"


def test_the_slice_to_prompt_next_is_one_key_away(person, monkeypatch):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    assert not person.ui.nextPromptButton.isEnabled()
    controller = person.workspace.controller
    monkeypatch.setattr(controller, "propagate", partial(controller.propagate, config=ANYWHERE))
    person.press("propagateButton")
    segment_id, key = controller.next_prompt
    assert key.index != 4
    person.press("nextPromptButton")
    assert (person.panel.room.choice.segment_id, person.panel.room.key) == (segment_id, key)


def test_thorough_says_what_it_costs_before_it_is_begun(person):
    person.ui.autoAcceptBox.setChecked(True)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    assert person.ui.thoroughLabel.isHidden()
    person.ui.thoroughBox.setChecked(True)
    person.wait()
    assert person.workspace.controller.thorough
    # The phantom's slices are thick.
    assert person.ui.thoroughLabel.text.startswith("Thorough looks at about 26 more slices, across the others")
    assert "does not pay here: slices are 2.5 mm apart" in person.ui.thoroughLabel.text
    person.ui.thoroughBox.setChecked(False)
    person.wait()
    assert person.ui.thoroughLabel.isHidden()
