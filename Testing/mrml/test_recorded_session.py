"""Sixty actions of a person on the real scene end where the headless core ends, through saving, closing and loading."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, VolumeSession, WindowLevel, propagate, read_volume
from dfqsam_core.volume.session.history import History
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.finished import settle
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.phantom import world_of
from Testing.support.prompts import ANYWHERE, random_prompt
from Testing.support.segmentations import save_and_reload, saved

NAMES = ("liver", "spleen")
# Which view looks along each voxel axis.
VIEWS = {"I": "Sagittal", "J": "Coronal", "K": "Axial"}
RELOADS = (25, 45)


class Person:
    """Somebody at the slice views of a scene; segments are numbered from 1, as the core's labels."""

    def __init__(self, world, worker, nodes, image):
        self.world, self.worker, self.image = world, worker, image
        self.open(*nodes)
        for name in NAMES:
            self.workspace.segments.add_segment(name)

    def open(self, volume_node, segmentation_node):
        self.views = {axis: self.world.slice_view(orientation) for axis, orientation in VIEWS.items()}
        self.crosshair = self.world.scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
        self.workspace = Workspace(
            volume_node, segmentation_node, MODEL, self.worker, WindowLevel(600, 200), predictor=GreyPredictor()
        )

    @property
    def ids(self):
        return self.workspace.segments.segment_ids

    def prompt(self, label, prompt):
        """Click the voxels of a prompt, placed in the world by SimpleITK, in the view that looks along its axis."""
        self.workspace.segment_id = self.ids[label - 1]
        self.crosshair.SetCursorPositionXYZ([0.0, 0.0, 0.0], self.views[prompt.axis])
        is_box = isinstance(prompt, BoxPrompt)
        role = "box" if is_box else "positive" if prompt.positive else "negative"
        for ijk in (prompt.low_ijk, prompt.high_ijk) if is_box else (prompt.ijk,):
            self.workspace.markups.nodes[role].AddControlPointWorld(world_of(self.image, ijk).tolist())

    def propagate(self, label, first, last):
        self.workspace.controller.propagate(self.ids[label - 1], "K", first, last, ANYWHERE)

    def reload(self, folder):
        self.open(*save_and_reload(self.world, self.workspace.segments, folder))

    def wait(self):
        settle(self.worker, self.workspace.controller.deliver)
        assert not self.workspace.controller.is_error, self.workspace.controller.message


def next_kind(rng, n, can_propagate):
    if n in RELOADS:
        return "reload"
    kind = rng.choice(["prompt", "undo", "redo", "propagate"], p=[0.6, 0.2, 0.1, 0.1])
    return kind if can_propagate or kind != "propagate" else "prompt"


def act(rng, n, person, headless, folder):
    """Do one random action on both sides; returns its kind."""
    label = int(rng.integers(1, 3))
    prompted = headless.prompted_slices(label, "K")
    kind = next_kind(rng, n, bool(prompted))
    if kind == "prompt":
        prompt = random_prompt(rng, headless.volume.geometry.shape_ijk)
        person.prompt(label, prompt)
        headless.add_prompt(label, prompt)
    elif kind == "propagate":
        first, last = max(prompted[0] - 2, 0), min(prompted[-1] + 2, 8)
        person.propagate(label, first, last)
        propagate(headless, label, "K", first, last, ANYWHERE)
    elif kind == "reload":
        person.reload(folder / f"scene-{n}")
        # A file holds no undo history; the headless session forgets its own in the same way.
        headless._history = History()
    else:
        getattr(person.workspace.controller, kind)()
        getattr(headless, kind)()
    person.wait()
    return kind


def test_sixty_actions_end_where_the_headless_core_ends(world, a_volume_node, editor, worker, phantom_file, tmp_path):
    # Overlap is allowed, as in the core's sessions, where each segment keeps its own masks.
    editor.SetOverwriteMode(editor.OverwriteNone)
    image, rng = sitk.ReadImage(str(phantom_file)), np.random.default_rng(11)
    person = Person(world, worker, (a_volume_node, new_segmentation(a_volume_node, "Organs")), image)
    headless = VolumeSession(read_volume(phantom_file), MODEL, "600,200", predictor=GreyPredictor())
    for label, name in enumerate(NAMES, 1):
        headless.add_segment(label, name)
    done = Counter(act(rng, n, person, headless, tmp_path) for n in range(60))
    assert min(done[kind] for kind in ("prompt", "undo", "redo", "propagate")) >= 3, done
    assert done["reload"] == len(RELOADS)
    segments, writer = person.workspace.segments, person.workspace.controller.writer
    found, _ = saved(segments, tmp_path / "end.seg.nrrd")
    for label, name in enumerate(NAMES, 1):
        expected = np.stack([headless.region(label, SliceKey("K", index)) for index in range(9)])
        assert expected.any()
        np.testing.assert_array_equal(found[name], expected)
        assert person.workspace.session.slices_of(writer.label(person.ids[label - 1])) == headless.slices_of(label)
    np.testing.assert_array_equal(read_volume_node(segments.volume_node).voxels_kji, sitk.GetArrayFromImage(image))


def click_on_a_mask(rng, headless, label):
    """A point on a voxel of a segment, on a slice along any axis; None where it has no voxel."""
    voxels = np.argwhere(headless.labels_kji == label)
    if not len(voxels):
        return None
    k, j, i = voxels[rng.integers(len(voxels))].tolist()
    return PointPrompt((i, j, k), bool(rng.random() < 0.4), "IJKKK"[rng.integers(5)])


def correct(rng, person, headless):
    """Click on what is there, take a prompt back, or carry a segment on; returns how many slices are corrected then."""
    label = int(rng.integers(1, 3))
    controller, segment_id = person.workspace.controller, person.ids[label - 1]
    prompted = headless.prompted_slices(label, "K")
    given = [prompt for (owner, _), found in headless.all_prompts().items() for prompt in found if owner == label]
    kind = rng.choice(["click", "take back", "propagate", "undo"], p=[0.5, 0.2, 0.15, 0.15])
    click = click_on_a_mask(rng, headless, label) if kind == "click" else None
    if click is not None:
        controller.add_prompt(segment_id, click)
        headless.add_prompt(label, click)
    elif kind == "take back" and given:
        prompt = given[rng.integers(len(given))]
        controller.remove_prompt(segment_id, prompt)
        headless.remove_prompt(label, prompt)
    elif kind == "propagate" and prompted:
        person.propagate(label, 0, 8)
        propagate(headless, label, "K", 0, 8, ANYWHERE)
    else:
        controller.undo()
        headless.undo()
    person.wait()
    return sum(state.corrected is not None for state in headless.states().values())


@pytest.mark.parametrize("seed", range(4))
def test_corrections_and_prompts_taken_back_end_where_the_headless_core_ends(
    world, a_volume_node, editor, worker, phantom_file, tmp_path, seed
):
    editor.SetOverwriteMode(editor.OverwriteNone)
    image, rng = sitk.ReadImage(str(phantom_file)), np.random.default_rng(seed)
    person = Person(world, worker, (a_volume_node, new_segmentation(a_volume_node, "Organs")), image)
    headless = VolumeSession(read_volume(phantom_file), MODEL, "600,200", predictor=GreyPredictor())
    for label, name in enumerate(NAMES, 1):
        headless.add_segment(label, name)
        box = BoxPrompt((2 * label, 2, 4), (9 + label, 9, 4))
        person.workspace.controller.add_prompt(person.ids[label - 1], box)
        headless.add_prompt(label, box)
        person.wait()
        person.propagate(label, 2, 6)
        propagate(headless, label, "K", 2, 6, ANYWHERE)
        person.wait()
    assert max([correct(rng, person, headless) for _ in range(40)]) >= 3
    found, _ = saved(person.workspace.segments, tmp_path / "end.seg.nrrd")
    for label, name in enumerate(NAMES, 1):
        expected = np.stack([headless.region(label, SliceKey("K", index)) for index in range(9)])
        np.testing.assert_array_equal(found[name], expected)
    while person.workspace.controller.can_undo:
        person.workspace.controller.undo()
        person.wait()
    assert not any(voxels.any() for voxels in saved(person.workspace.segments, tmp_path / "none.seg.nrrd")[0].values())
