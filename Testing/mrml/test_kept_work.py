"""What was prompted and drawn and not saved is there again after a crash, voxel for voxel, on the same volume alone."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer

from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume import BoxPrompt, LassoPrompt, PointPrompt, ScribblePrompt, SliceKey
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting
from dfqsam_scene.prompting.verbs import Verbs
from Testing.support.finished import settle
from Testing.support.packed_toy import calibrated_toy
from Testing.support.prompts import ANYWHERE

K4, I7 = SliceKey("K", 4), SliceKey("I", 7)


class Person:
    """A room of prompting whose work is kept, and what a person does in it."""

    def __init__(self, world, volume_node, model_file, folder):
        self.room = Prompting(FrontEnd(journals=folder))
        self.verbs = Verbs(self.room)
        self.room.begin(world.scene)
        self.room.choose(volume_node=volume_node, model_path=model_file)
        self.settle()

    def settle(self):
        settle(self.room.worker, self.room.tick)
        self.room.tick()
        settle(self.room.worker, self.room.tick)

    def begin(self, *names):
        node = new_segmentation(self.room.choice.volume_node, "segmentation")
        for name in names:
            node.GetSegmentation().AddEmptySegment("", name, [1.0, 0.5, 0.25])
        self.room.choose(segmentation_node=node, segment_id=node.GetSegmentation().GetSegmentIDs()[0])
        self.settle()

    def prompt(self, prompt, segment=0):
        self.room.workspace.controller.add_prompt(self.segments.segment_ids[segment], prompt)
        self.settle()

    def crash(self):
        """End without any of what a clean end does; only the locks go, as with the process."""
        for journal in self.room.keeping._open.values():
            journal._file.close()
        self.room.end()
        self.room.worker.close()

    @property
    def segments(self):
        return self.room.workspace.segments

    def voxels(self):
        count = self.segments.grid.shape_ijk[2]
        return {
            self.segments.segment_name(n): np.stack([self.segments.read(n, SliceKey("K", k)) for k in range(count)])
            for n in self.segments.segment_ids
        }

    def state(self):
        """What the session has of the first segment on slice 4."""
        return self.room.workspace.session.state(1, K4)

    def prompts(self):
        return {
            (self.segments.segment_name(n), key): found for (n, key), found in self.room.workspace.prompts().items()
        }


@pytest.fixture
def people(world, a_volume_node, model_file, tmp_path):
    """Starts rooms on the phantom, one after the other, which keep work in one folder."""
    started = []

    def start(volume_node=a_volume_node, model_file=model_file):
        started.append(Person(world, volume_node, model_file, tmp_path / "journals"))
        return started[-1]

    yield start
    for person in started:
        person.room.close()


def journals(tmp_path):
    folder = tmp_path / "journals"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_prompts_masks_and_segments_come_back_as_they_were(people, tmp_path):
    first = people()
    first.begin("liver", "tumour")
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)))
    first.prompt(PointPrompt((7, 5, 4)))
    first.prompt(BoxPrompt((7, 2, 2), (7, 9, 7), "I"), segment=1)
    first.prompt(BoxPrompt((3, 3, 4), (9, 8, 4)), segment=1)
    voxels, prompts = first.voxels(), first.prompts()
    assert voxels["liver"].any()
    assert voxels["tumour"].any()
    assert stat.S_IMODE(os.stat(tmp_path / "journals").st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in journals(tmp_path)] == [0o600]
    first.crash()
    second = people()
    assert second.room.state().offer == "Work on this volume was not saved (2 segments, 4 prompts)."
    second.verbs.by_name()["continue work"]()
    second.settle()
    assert second.room.state().offer == ""
    assert second.prompts() == prompts
    again = second.voxels()
    assert list(again) == ["liver", "tumour"]
    for name, found in voxels.items():
        np.testing.assert_array_equal(again[name], found)
    assert second.room.choice.segmentation_node.GetSegmentation().GetNthSegment(0).GetColor() == (1.0, 0.5, 0.25)
    assert second.room.workspace.notice == ""
    second.room.workspace.controller.choose_candidate(second.segments.segment_ids[0], K4, 0)
    assert second.room.workspace.controller.prediction(second.segments.segment_ids[0], K4).chosen == 0


def test_strokes_and_a_3d_box_come_back_as_they_were(people):
    first = people()
    first.begin("liver")
    first.prompt(ScribblePrompt(((4, 5, 4), (7, 4, 4), (10, 5, 4))))
    first.prompt(LassoPrompt(((2, 1, 4), (12, 1, 4), (12, 9, 4))))
    first.prompt(LassoPrompt(((1, 1, 4), (3, 1, 4), (1, 3, 4)), positive=False))
    boxes = tuple(BoxPrompt((2, 2, k), (11, 9, k)) for k in (5, 6))
    first.room.workspace.controller.prompt_boxes(first.segments.segment_ids[0], boxes, frozenset())
    first.settle()
    voxels, prompts = first.voxels(), first.prompts()
    assert len(prompts) == 3
    assert voxels["liver"].any(axis=(1, 2)).sum() == 3
    first.crash()
    second = people()
    assert second.room.state().offer == "Work on this volume was not saved (1 segment, 5 prompts)."
    second.verbs.by_name()["continue work"]()
    second.settle()
    assert second.prompts() == prompts
    np.testing.assert_array_equal(second.voxels()["liver"], voxels["liver"])


def test_work_goes_on_in_the_same_journal_and_a_clean_end_removes_it(people, tmp_path):
    first = people()
    first.begin("liver")
    assert journals(tmp_path) == [], "looking leaves nothing"
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)))
    first.crash()
    second = people()
    second.verbs.continue_work()
    second.settle()
    second.prompt(BoxPrompt((2, 2, 5), (11, 9, 5)))
    second.verbs.add_segment()
    second.settle()
    voxels = second.voxels()
    second.crash()
    third = people()
    third.verbs.continue_work()
    third.settle()
    for name, found in third.voxels().items():
        np.testing.assert_array_equal(found, voxels[name])
    assert len(third.voxels()) == 2
    assert len(journals(tmp_path)) == 1
    third.room.close()
    assert journals(tmp_path) == []


def test_what_others_drew_and_removed_is_kept_too(people):
    first = people()
    first.begin("liver", "spleen", "gone")
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)))
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)), segment=2)
    other = SegmentScene(first.segments.volume_node, first.segments.node)
    mask = np.zeros((12, 14), bool)
    mask[3:5, 6:9] = True
    other.restore(other.segment_ids[1], SliceKey("K", 6), mask)
    first.settle()
    first.verbs.remove_segment(first.segments.segment_ids[2])
    first.settle()
    voxels = first.voxels()
    assert voxels["spleen"].sum() == 6
    first.crash()
    second = people()
    second.verbs.continue_work()
    second.settle()
    assert list(second.voxels()) == ["liver", "spleen"]
    for name, found in second.voxels().items():
        np.testing.assert_array_equal(found, voxels[name])


def test_undone_work_does_not_come_back(people):
    first = people()
    first.begin("liver")
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)))
    first.prompt(BoxPrompt((7, 2, 2), (7, 9, 7), "I"))
    first.room.workspace.controller.undo()
    first.settle()
    voxels, prompts = first.voxels(), first.prompts()
    assert len(prompts) == 1
    first.crash()
    second = people()
    second.verbs.continue_work()
    second.settle()
    np.testing.assert_array_equal(second.voxels()["liver"], voxels["liver"])
    assert second.prompts() == prompts


def test_two_at_once_do_not_mix_and_discarded_work_is_gone(people, tmp_path):
    first = people()
    first.begin("liver")
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)))
    second = people()
    assert second.room.state().offer == "", "somebody is still at work on it"
    second.begin("spleen")
    second.prompt(BoxPrompt((2, 2, 5), (11, 9, 5)))
    assert len(journals(tmp_path)) == 2
    second.crash()
    third = people()
    assert "1 segment, 1 prompt" in third.room.state().offer
    third.verbs.discard_work()
    assert third.room.state().offer == ""
    assert len(journals(tmp_path)) == 1
    first.room.close()


def test_another_volume_gets_no_offer_and_no_name_is_in_the_file(people, world, a_volume_node, tmp_path):
    first = people()
    a_volume_node.SetName("Doe, Jane")
    first.begin("liver")
    first.prompt(BoxPrompt((2, 2, 4), (11, 9, 4)))
    texts = [str(entry) for journal in first.room.keeping._open.values() for entry in journal._file.read().items()]
    assert any("K" in text for text in texts)
    assert not [text for text in texts if "Doe" in text or str(tmp_path) in text or "ct.nrrd" in text]
    first.crash()
    other = slicer.vtkMRMLScalarVolumeNode()
    other.Copy(a_volume_node)
    image = slicer.vtkOrientedImageData()
    image.DeepCopy(a_volume_node.GetImageData())
    image.GetPointData().GetScalars().SetTuple1(0, 1234)
    other.SetAndObserveImageData(image)
    world.scene.AddNode(other)
    assert people(other).room.state().offer == ""


@pytest.mark.parametrize("is_shown", [False, True], ids=["written", "shown"])
def test_a_correction_goes_on_after_a_crash(people, is_shown):
    first = people()
    first.begin("liver")
    loaded = np.zeros((12, 14), bool)
    loaded[3:9, 4:11] = True
    first.segments.restore(first.segments.segment_ids[0], K4, loaded)
    first.settle()
    first.verbs.by_name()["auto accept"](not is_shown)
    first.settle()
    click = PointPrompt((10, 8, 4), positive=False)
    first.prompt(click)
    voxels, controller = first.voxels(), first.room.workspace.controller
    expected = controller.preview.answer.state.corrected if is_shown else first.state().corrected
    np.testing.assert_array_equal(expected.mask, loaded)
    first.crash()
    second = people()
    second.verbs.by_name()["continue work"]()
    second.settle()
    np.testing.assert_array_equal(second.voxels()["liver"], voxels["liver"])
    np.testing.assert_array_equal(second.state().corrected.mask, loaded)
    second.room.workspace.controller.remove_prompt(second.segments.segment_ids[0], click)
    second.settle()
    np.testing.assert_array_equal(second.voxels()["liver"][4], loaded)


def test_after_a_crash_another_model_goes_on_correcting_the_same_mask(people, tmp_path):
    first = people()
    first.begin("liver")
    first.prompt(BoxPrompt((2, 2, 3), (11, 9, 3)))
    first.room.workspace.controller.propagate(first.segments.segment_ids[0], "K", 3, 4, ANYWHERE)
    first.settle()
    propagated = first.voxels()["liver"][4]
    row, column = np.argwhere(propagated)[-1].tolist()
    first.prompt(PointPrompt((column, row, 4), positive=False))
    voxels = first.voxels()
    first.crash()
    other = tmp_path / "other.safetensors"
    write_model(other, calibrated_toy(seed=1))
    second = people(model_file=other)
    # A workspace loads the model.
    second.begin("spleen")
    second.verbs.by_name()["continue work"]()
    second.settle()
    np.testing.assert_array_equal(second.voxels()["liver"], voxels["liver"])
    state = second.state()
    np.testing.assert_array_equal(state.corrected.mask, propagated)
    assert (state.prediction, state.corrected.prediction) == (None, None)
    row, column = np.argwhere(voxels["liver"][4])[0].tolist()
    second.prompt(PointPrompt((column, row, 4), positive=False))
    assert not second.voxels()["liver"][4, row, column]
