"""A first click on a slice with a mask corrects what the segment has there: propagated, loaded, or drawn by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core import load_model
from dfqsam_core.resources import DEMO_LABELS, DEMO_MODEL, DEMO_VOLUME, resource_path
from dfqsam_core.volume import (
    BoxPrompt,
    PointPrompt,
    SliceKey,
    WindowLevel,
    auto_window,
    read_prompts,
    read_volume,
    segment_volume,
)
from dfqsam_core.volume.files.prompts_file import prompt_json
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.finished import settle
from Testing.support.segmentations import save_and_reload, whole

K20 = SliceKey("K", 20)
LIVER, BOX = 5, BoxPrompt((31, 31, 24), (94, 86, 24))


@pytest.fixture(scope="module")
def model():
    return load_model(resource_path(DEMO_MODEL), threads=1)


@pytest.fixture(scope="module")
def label():
    """(J, I) bool: the liver on slice 20, as a loaded segmentation has it."""
    return read_volume(resource_path(DEMO_LABELS)).voxels_kji[20] == LIVER


class Person:
    """Somebody at a workspace on the embedded CT with the embedded 4-bit model."""

    def __init__(self, world, worker, model):
        self.world, self.worker, self.model = world, worker, model
        node = world.read_volume(resource_path(DEMO_VOLUME), "CT")
        self.open(node, new_segmentation(node, "Organs"))
        self.liver = self.workspace.segments.add_segment("liver")
        self.spleen = self.workspace.segments.add_segment("spleen")

    def open(self, volume_node, segmentation_node):
        volume = read_volume(resource_path(DEMO_VOLUME))
        window = auto_window(volume.voxels_kji, volume.modality)
        self.workspace = Workspace(volume_node, segmentation_node, self.model, self.worker, window)

    @property
    def controller(self):
        return self.workspace.controller

    def do(self, action, *arguments):
        action(*arguments)
        settle(self.worker, self.controller.deliver)
        assert not self.controller.is_error, self.controller.message

    def prompt(self, prompt):
        self.do(self.controller.add_prompt, self.liver, prompt)

    def propagate(self):
        self.prompt(BOX)
        self.do(self.controller.propagate, self.liver, "K", 18, 24)

    def draw(self, mask, segment_id=None):
        self.workspace.segments.restore(segment_id or self.liver, K20, mask)

    def drawn(self, segment_id=None):
        return self.workspace.segments.read(segment_id or self.liver, K20)

    def click(self, n=3, positive=False):
        """Near the n-th of the liver's voxels on slice 20."""
        row, column = np.argwhere(self.drawn())[n].tolist()
        return PointPrompt((column, row, 20), positive)


@pytest.fixture
def person(world, worker, model):
    return Person(world, worker, model)


def patch(rows, columns):
    found = np.zeros((101, 122), bool)
    found[rows, columns] = True
    return found


def test_the_same_voxels_from_the_scene_and_from_a_prompts_file(person, model, tmp_path):
    person.propagate()
    clicks = []
    for _ in range(2):
        clicks.append(person.click())
        person.prompt(clicks[-1])
    segment = {"name": "liver", "label": 1, "prompts": [prompt_json(BOX)], "propagate": {"first": 18, "last": 24}}
    segment["corrections"] = [prompt_json(click) for click in clicks]
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"coordinate_system": "IJK", "segments": [segment]}), encoding="utf-8")
    volume = read_volume(resource_path(DEMO_VOLUME))
    expected = segment_volume(volume, read_prompts(path, volume.geometry), model).labels_kji == 1
    assert expected[20].any()
    np.testing.assert_array_equal(whole(person.workspace.segments, person.liver), expected)


def test_a_loaded_mask_is_corrected_in_place_and_undo_goes_back_exactly(person, label):
    person.draw(label)
    click = person.click()
    person.prompt(click)
    after = person.drawn()
    assert not after[click.ijk[1], click.ijk[0]]
    assert np.count_nonzero(after & label) > 0.8 * np.count_nonzero(label)
    person.do(person.controller.undo)
    np.testing.assert_array_equal(person.drawn(), label)
    person.do(person.controller.redo)
    np.testing.assert_array_equal(person.drawn(), after)


@pytest.mark.parametrize("way", ["prompt", "slice", "segment"])
def test_a_loaded_mask_comes_back_when_the_click_is_taken_back_or_slice_or_segment_are_reset(person, label, way):
    person.draw(label)
    click = person.click()
    person.prompt(click)
    assert not np.array_equal(person.drawn(), label)
    controller = person.controller
    ways = {
        "prompt": (controller.remove_prompt, person.liver, click),
        "slice": (controller.clear_slice, person.liver, K20),
        "segment": (controller.clear_segment, person.liver),
    }
    person.do(*ways[way])
    np.testing.assert_array_equal(person.drawn(), label)


def test_a_propagated_mask_comes_back_when_the_click_is_taken_back_and_goes_when_the_slice_is_reset(person):
    person.propagate()
    before = person.drawn()
    click = person.click()
    person.prompt(click)
    person.do(person.controller.remove_prompt, person.liver, click)
    np.testing.assert_array_equal(person.drawn(), before)
    person.prompt(click)
    person.do(person.controller.clear_slice, person.liver, K20)
    assert not person.drawn().any()


def test_what_was_drawn_on_a_propagated_slice_is_corrected_too(person):
    person.propagate()
    propagated = person.drawn()
    row, column = np.argwhere(propagated)[0]
    painted = patch(slice(row - 6, row + 1), slice(column - 3, column + 4))
    person.draw(propagated | painted)
    click = PointPrompt((int(column), int(row) - 3, 20), positive=False)
    person.prompt(click)
    assert not person.drawn()[row - 3, column]
    person.do(person.controller.undo)
    np.testing.assert_array_equal(person.drawn(), propagated | painted)


def test_what_was_drawn_after_a_correction_is_corrected_too_and_not_lost(person):
    person.propagate()
    first = person.click()
    person.prompt(first)
    corrected = person.drawn()
    row, column = np.argwhere(corrected)[-1]
    painted = patch(slice(row, row + 7), slice(column - 3, column + 4)) & ~corrected
    person.draw(corrected | painted)
    click = PointPrompt((int(column), int(row) + 4, 20), positive=False)
    person.prompt(click)
    assert not person.drawn()[row + 4, column]
    person.do(person.controller.undo)
    np.testing.assert_array_equal(person.drawn(), corrected | painted)
    person.do(person.controller.remove_prompt, person.liver, first)
    assert (person.drawn() & painted).sum() == painted.sum()


def test_drawn_voxels_stay_under_a_box_as_they_did(person):
    person.draw(patch(slice(2, 5), slice(2, 5)))
    person.prompt(PointPrompt((60, 60, 20)))
    person.prompt(BoxPrompt((31, 31, 20), (94, 86, 20)))
    assert person.drawn()[2:5, 2:5].all()


def test_a_click_that_takes_all_away_says_so(person):
    person.draw(patch(50, 60))
    person.prompt(PointPrompt((60, 50, 20), positive=False))
    assert not person.drawn().any()
    assert person.controller.message.startswith("The prompt on axial slice 21 took away all that the segment had there")
    person.do(person.controller.undo)
    assert person.drawn().sum() == 1


def test_another_segment_there_stays_as_it_is(person, label):
    person.draw(label)
    row, column = np.argwhere(label)[-1]
    other = patch(slice(row - 3, row + 4), slice(column - 3, column + 4)) & ~label
    person.draw(other, person.spleen)
    np.testing.assert_array_equal(person.drawn(), label)
    person.prompt(PointPrompt((int(column), int(row) + 1, 20)))
    np.testing.assert_array_equal(person.drawn(person.spleen), other)
    assert not (person.drawn() & other).any()


def test_a_preview_of_corrections_is_what_is_written_at_once(person, label):
    person.draw(label)
    person.controller.auto_accept = False
    first = person.click()
    person.prompt(first)
    np.testing.assert_array_equal(person.drawn(), label)
    second = person.click(8)
    person.prompt(second)
    shown = person.controller.preview.prediction.mask
    person.do(person.controller.accept_preview)
    previewed = person.drawn()
    np.testing.assert_array_equal(previewed, shown)
    person.do(person.controller.undo)
    np.testing.assert_array_equal(person.drawn(), label)
    person.controller.auto_accept = True
    person.prompt(first)
    person.prompt(second)
    np.testing.assert_array_equal(person.drawn(), previewed)


def test_drawing_while_a_correction_is_shown_is_kept(person, label):
    person.draw(label)
    person.controller.auto_accept = False
    person.prompt(person.click())
    painted = patch(slice(2, 5), slice(2, 5))
    person.draw(label | painted)
    person.do(person.controller.accept_preview)
    assert (person.drawn() & painted).sum() == painted.sum()


def test_another_candidate_of_a_corrected_loaded_mask_is_written_as_it_is(person, label):
    person.draw(label)
    person.prompt(person.click())
    for candidate in (0, 1, 2):
        person.do(person.controller.choose_candidate, person.liver, K20, candidate)
        prediction = person.controller.prediction(person.liver, K20)
        assert prediction.chosen == candidate
        np.testing.assert_array_equal(person.drawn(), prediction.mask)


def test_a_slice_that_was_emptied_by_hand_is_a_fresh_start(person):
    person.propagate()
    person.draw(np.zeros((101, 122), bool))
    click = PointPrompt((60, 60, 20))
    person.prompt(click)
    expected = person.workspace.session.slices.predict(K20, (click,)).mask
    np.testing.assert_array_equal(person.drawn(), expected)


def test_undo_and_redo_go_over_propagation_and_correction(person):
    person.propagate()
    segments = person.workspace.segments
    shown = [whole(segments, person.liver)]
    for n in (3, 6):
        person.prompt(person.click(n))
        shown.append(whole(segments, person.liver))
    for expected in shown[-2::-1]:
        person.do(person.controller.undo)
        np.testing.assert_array_equal(whole(segments, person.liver), expected)
    person.do(person.controller.undo)
    person.do(person.controller.undo)
    assert not whole(segments, person.liver).any()
    for _ in range(4):
        person.do(person.controller.redo)
    np.testing.assert_array_equal(whole(segments, person.liver), shown[-1])


def test_a_saved_scene_goes_on_with_the_corrections(person, label, tmp_path):
    person.draw(label)
    first, second = person.click(), person.click(40)
    person.prompt(first)
    before = person.drawn()
    nodes = save_and_reload(person.world, person.workspace.segments, tmp_path / "scene")
    person.open(*nodes)
    person.liver = person.workspace.segments.segment_ids[0]
    np.testing.assert_array_equal(person.drawn(), before)
    person.prompt(second)
    both = person.drawn()
    assert not both[second.ijk[1], second.ijk[0]]
    person.do(person.controller.remove_prompt, person.liver, second)
    np.testing.assert_array_equal(person.drawn(), before)
    person.do(person.controller.remove_prompt, person.liver, first)
    np.testing.assert_array_equal(person.drawn(), label)


def test_where_the_model_changed_the_next_click_corrects_what_is_drawn(person, label):
    person.draw(label)
    first = person.click()
    person.prompt(first)
    before = person.drawn()
    workspace, segments = person.workspace, person.workspace.segments
    prompts, window = workspace.controller.all_prompts(), WindowLevel(300, 50)
    nodes = segments.volume_node, segments.node
    person.workspace = Workspace(*nodes, person.model, person.worker, window, prompts=prompts)
    np.testing.assert_array_equal(person.drawn(), before)
    second = person.click(40)
    person.prompt(second)
    after = person.drawn()
    assert not after[second.ijk[1], second.ijk[0]]
    assert np.count_nonzero(after & before) > 0.8 * np.count_nonzero(before)


def test_a_click_in_another_view_corrects_what_was_propagated(person):
    person.propagate()
    segments = person.workspace.segments
    before = whole(segments, person.liver)
    key = SliceKey("I", 65)
    click = PointPrompt((65, int(np.argwhere(before[20, :, 65])[1, 0]), 20), positive=False, axis="I")
    person.prompt(click)
    after = whole(segments, person.liver)
    assert not after[20, click.ijk[1], 65]
    np.testing.assert_array_equal(np.delete(after, 65, axis=2), np.delete(before, 65, axis=2))
    np.testing.assert_array_equal(after[:, :, 65], person.workspace.session.region(1, key))
    person.do(person.controller.undo)
    np.testing.assert_array_equal(whole(segments, person.liver), before)
