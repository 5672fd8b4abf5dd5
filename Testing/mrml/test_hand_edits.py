"""Brush, eraser and corrections of a whole segment on an oblique volume: one history with prompts, kept by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import PointPrompt, SliceKey
from dfqsam_core.volume.brush import Brush
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node, world_from_ijk
from dfqsam_scene.prompting.hand_edits import MaskEdit
from dfqsam_scene.prompting.window_texts import window_of
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.finished import settle
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.phantom import PARENT, world_of
from Testing.support.prompts import ANYWHERE
from Testing.support.segmentations import saved

SPACING_KJI = (2.5, 0.7, 0.8)
K4 = SliceKey("K", 4)


class Desk:
    """A workspace with two segments on the phantom, the first one chosen."""

    def __init__(self, volume_node: Any, worker: Any, image: sitk.Image) -> None:
        self.volume_node, self.worker, self.image = volume_node, worker, image
        node = new_segmentation(volume_node, "Organs")
        for name in ("liver", "spleen"):
            node.GetSegmentation().AddEmptySegment("", name)
        window = window_of("600,200", read_volume_node(volume_node))
        self.workspace = Workspace(volume_node, node, MODEL, worker, window, predictor=GreyPredictor())
        self.workspace.encode_ahead(False)
        self.controller = self.workspace.controller
        self.liver, self.spleen = self.workspace.segments.segment_ids
        self.workspace.segment_id = self.liver

    def settle(self) -> None:
        settle(self.worker, self.controller.deliver)

    def stroke(self, role: str, *voxels: Any, size: float = 4.0, is_ball: bool = False) -> None:
        """As a script places control points: on the slices of the acquisition axis."""
        self.workspace.markups.use_brush(Brush(size, is_ball))
        node = self.workspace.markups.nodes[role]
        was = node.StartModify()
        for voxel in voxels:
            node.AddControlPointWorld(world_of(self.image, voxel).tolist())
        node.EndModify(was)
        self.settle()
        assert not self.controller.is_error, self.controller.message

    def correct(self, kind: Any, amount: float = 0.0, key: SliceKey | None = None) -> None:
        self.controller.edit(MaskEdit(self.workspace.segment_id, kind, amount, key))
        self.settle()

    def undo(self) -> None:
        self.controller.undo()
        self.settle()

    def redo(self) -> None:
        self.controller.redo()
        self.settle()

    def voxels(self, segment_id: str | None = None) -> np.ndarray:
        """(K, J, I) bool, read slice by slice."""
        segments = self.workspace.segments
        shape = segments.grid.shape_ijk
        return np.stack([segments.read(segment_id or self.liver, SliceKey("K", k)) for k in range(shape[2])])

    def draw(self, voxels_kji: np.ndarray, segment_id: str | None = None) -> None:
        """As somebody else draws in Slicer."""
        for k, plane in enumerate(voxels_kji):
            self.workspace.segments.restore(segment_id or self.liver, SliceKey("K", k), plane)


@pytest.fixture
def desk(a_volume_node: Any, worker: Any, phantom_file: Any) -> Any:
    found = Desk(a_volume_node, worker, sitk.ReadImage(str(phantom_file)))
    yield found
    found.workspace.close()


def millimetres(image: sitk.Image, voxel: Any) -> np.ndarray:
    """(K, J, I): distance in the world of each voxel from one of them, by SimpleITK."""
    size = image.GetSize()
    k, j, i = np.indices(size[::-1])
    world = np.array([world_of(image, ijk) for ijk in zip(i.ravel(), j.ravel(), k.ravel(), strict=True)])
    away = np.linalg.norm(world - world_of(image, voxel), axis=1)
    return np.asarray(away.reshape(size[::-1]))


def test_a_dab_is_a_disc_of_its_size_in_the_world_on_one_slice_and_a_ball_on_several(desk: Desk) -> None:
    away = millimetres(desk.image, (7, 5, 4))
    desk.stroke("brush", (7, 5, 4), size=6.1)
    expected = away <= 3.05
    expected[[k for k in range(9) if k != 4]] = False
    np.testing.assert_array_equal(desk.voxels(), expected)
    desk.undo()
    desk.stroke("brush", (7, 5, 4), size=6.1, is_ball=True)
    np.testing.assert_array_equal(desk.voxels(), away <= 3.05)
    assert desk.voxels().any(axis=(1, 2)).sum() == 3
    desk.undo()
    assert not desk.voxels().any()


def test_a_painted_file_lies_where_simpleitk_says(desk: Desk, tmp_path: Any) -> None:
    desk.stroke("brush", (4, 4, 4), (10, 6, 4), size=3.0)
    masks, _ = saved(desk.workspace.segments, tmp_path / "organs.seg.nrrd")
    np.testing.assert_array_equal(masks["liver"], desk.voxels())
    assert masks["liver"][4, 4, 4]
    assert masks["liver"][4, 6, 10]


def test_the_eraser_takes_away_and_undo_and_redo_are_exact(desk: Desk) -> None:
    states = [desk.voxels()]
    desk.stroke("brush", (3, 3, 4), (11, 9, 4), size=5.0)
    states.append(desk.voxels())
    desk.stroke("eraser", (7, 6, 4), size=3.0)
    states.append(desk.voxels())
    assert 0 < states[2].sum() < states[1].sum()
    desk.stroke("brush", (5, 5, 4), size=8.0, is_ball=True)
    states.append(desk.voxels())
    for expected in states[-2::-1]:
        desk.undo()
        np.testing.assert_array_equal(desk.voxels(), expected)
    assert not desk.controller.can_undo
    for expected in states[1:]:
        desk.redo()
        np.testing.assert_array_equal(desk.voxels(), expected)


def test_strokes_and_prompts_are_taken_back_in_the_order_they_were_done(desk: Desk) -> None:
    desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 4)))
    desk.settle()
    prompted = desk.voxels()
    desk.stroke("brush", (1, 1, 4), size=2.5)
    desk.stroke("eraser", (7, 5, 4), size=2.5)
    corrected = desk.voxels()
    desk.controller.add_prompt(desk.liver, PointPrompt((8, 6, 4)))
    desk.settle()
    again = desk.voxels()
    assert again[4, 1, 1], "what was painted stays"
    assert not again[4, 5, 7], "what was erased stays away"
    desk.undo()
    np.testing.assert_array_equal(desk.voxels(), corrected)
    assert len(desk.workspace.prompts_on(K4)) == 1
    desk.undo()
    desk.undo()
    np.testing.assert_array_equal(desk.voxels(), prompted)
    assert len(desk.workspace.prompts_on(K4)) == 1
    desk.undo()
    assert not desk.voxels().any()
    assert desk.workspace.prompts() == {}
    for _ in range(4):
        desk.redo()
    np.testing.assert_array_equal(desk.voxels(), again)


def test_a_propagation_keeps_what_was_painted_and_erased(desk: Desk) -> None:
    desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 4)))
    desk.settle()
    desk.stroke("brush", (1, 1, 5), size=2.5)
    desk.controller.propagate(desk.liver, "K", 2, 6, ANYWHERE)
    desk.settle()
    assert desk.voxels()[5, 1, 1]
    assert desk.voxels()[5, 5, 7]
    desk.stroke("eraser", (7, 5, 5), size=2.5)
    desk.controller.propagate(desk.liver, "K", 2, 6, ANYWHERE)
    desk.settle()
    assert desk.voxels()[5, 1, 1]
    assert not desk.voxels()[5, 5, 7]


def test_other_segments_are_kept_or_overwritten_as_the_setting_says_and_come_back(desk: Desk) -> None:
    block = np.zeros((9, 12, 14), bool)
    block[3:6, 2:9, 7:12] = True
    desk.draw(block, desk.spleen)
    desk.stroke("brush", (7, 5, 4), size=5.0)
    np.testing.assert_array_equal(desk.voxels(desk.spleen), block)
    assert desk.voxels().any()
    assert not (desk.voxels() & block).any()
    kept = desk.voxels()
    desk.controller.protect_others = False
    desk.stroke("brush", (7, 5, 4), size=5.0)
    assert not (desk.voxels() & desk.voxels(desk.spleen)).any()
    assert desk.voxels(desk.spleen).sum() < block.sum()
    desk.undo()
    np.testing.assert_array_equal(desk.voxels(desk.spleen), block)
    np.testing.assert_array_equal(desk.voxels(), kept)


def test_a_stroke_on_what_is_protected_says_so_and_is_no_step(desk: Desk) -> None:
    desk.draw(np.ones((9, 12, 14), bool), desk.spleen)
    desk.stroke("brush", (7, 5, 4))
    assert "Untick Protect others" in desk.controller.message
    assert not desk.controller.can_undo


def test_a_stroke_beside_the_volume_is_refused(desk: Desk) -> None:
    node = desk.workspace.markups.nodes["brush"]
    node.AddControlPointWorld(world_of(desk.image, (60, 5, 4)).tolist())
    desk.settle()
    assert desk.controller.is_error
    assert "outside the volume" in desk.controller.message


def test_a_stroke_while_a_prompt_is_worked_on_waits_and_follows_it(desk: Desk) -> None:
    desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 4)))
    desk.stroke("eraser", (7, 5, 4), size=2.5)
    assert not desk.voxels()[4, 5, 7]
    assert desk.voxels()[4].any()
    desk.undo()
    assert desk.voxels()[4, 5, 7]


PARTS = np.zeros((9, 12, 14), bool)
PARTS[2:7, 2:9, 2:9] = True
PARTS[4, 5, 5] = False
PARTS[3, 10, 12] = True
PARTS[6:8, 10:12, 12:14] = True


@pytest.mark.parametrize(
    ("kind", "amount", "key"),
    [
        ("largest", 0, None),
        ("small", 0.004, None),
        ("holes", 0, None),
        ("holes", 0, K4),
        ("largest", 0, SliceKey("J", 10)),
        ("small", 5.0, SliceKey("K", 6)),
        ("median", 2.4, None),
        ("gaussian", 0.9, None),
        ("gaussian", 2.5, SliceKey("I", 4)),
    ],
)
def test_a_correction_changes_what_it_says_and_one_undo_takes_it_back(
    desk: Desk, kind: Any, amount: float, key: SliceKey | None
) -> None:
    desk.draw(PARTS)
    other = np.zeros_like(PARTS)
    other[1, 9:11, 1:3] = True
    desk.draw(other, desk.spleen)
    desk.correct(kind, amount, key)
    assert not desk.controller.is_error, desk.controller.message
    found = desk.voxels()
    assert (found != PARTS).any()
    np.testing.assert_array_equal(desk.voxels(desk.spleen), other)
    if key is not None:
        elsewhere = np.moveaxis(found != PARTS, "KJI".index(key.axis), 0)
        assert set(np.flatnonzero(elsewhere.any(axis=(1, 2))).tolist()) == {key.index}
    assert any(word in desk.controller.message for word in ("added", "taken away"))
    desk.undo()
    np.testing.assert_array_equal(desk.voxels(), PARTS)
    desk.redo()
    np.testing.assert_array_equal(desk.voxels(), found)


def test_parts_and_holes_are_those_of_simpleitk(desk: Desk) -> None:
    desk.draw(PARTS)
    image = sitk.GetImageFromArray(PARTS.astype(np.uint8))
    by_size = sitk.RelabelComponent(sitk.ConnectedComponent(image))
    desk.correct("largest")
    np.testing.assert_array_equal(desk.voxels(), sitk.GetArrayFromImage(by_size) == 1)
    assert "9 voxels (0.013 ml) taken away" in desk.controller.message
    desk.undo()
    # 8 voxels of 1.4 mm3 stay, one goes.
    desk.correct("small", 0.004)
    np.testing.assert_array_equal(desk.voxels(), np.isin(sitk.GetArrayFromImage(by_size), (1, 2)))
    desk.undo()
    desk.correct("holes")
    np.testing.assert_array_equal(desk.voxels(), sitk.GetArrayFromImage(sitk.BinaryFillhole(image)) > 0)


def test_a_median_of_a_size_in_mm_is_that_of_simpleitk_on_these_voxels(desk: Desk) -> None:
    desk.draw(PARTS)
    desk.correct("median", 2.4)
    # 2.4 mm are 3 voxels of 0.8 and of 0.7 mm, and one of 2.5 mm.
    expected = sitk.Median(sitk.GetImageFromArray(PARTS.astype(np.uint8)), (1, 1, 0))
    np.testing.assert_array_equal(desk.voxels(), sitk.GetArrayFromImage(expected) > 0)


def test_what_cannot_be_corrected_is_refused_in_a_sentence(desk: Desk) -> None:
    desk.correct("largest")
    assert "empty" in desk.controller.message
    desk.draw(PARTS)
    desk.correct("holes", key=SliceKey("K", 0))
    assert "This slice of the segment is empty" in desk.controller.message
    desk.correct("small", 100.0)
    assert "Nothing would be left" in desk.controller.message
    np.testing.assert_array_equal(desk.voxels(), PARTS)
    for kind, amount in (("median", 0.0), ("gaussian", float("nan")), ("median", 500.0), ("sharpen", 1.0)):
        with pytest.raises(PromptError):
            MaskEdit(desk.liver, kind, amount)  # type: ignore[arg-type]
    assert not desk.controller.can_undo


def test_the_preview_is_accepted_before_something_is_drawn_by_hand(desk: Desk) -> None:
    desk.controller.auto_accept = False
    desk.controller.add_prompt(desk.liver, PointPrompt((7, 5, 4)))
    desk.settle()
    assert desk.controller.preview is not None
    desk.stroke("brush", (1, 1, 4), size=2.5)
    assert desk.controller.preview is None
    assert desk.voxels()[4, 5, 7]
    assert desk.voxels()[4, 1, 1]
    desk.undo()
    assert not desk.voxels()[4, 1, 1]
    assert desk.voxels()[4, 5, 7]


def test_a_segmentation_under_a_moved_parent_is_painted_where_it_is_seen(desk: Desk, world: Any) -> None:
    """The world's millimetres count, through all transforms above the volume."""
    moved = np.diag([1.5, 1.5, 1.5, 1.0]) @ PARENT
    transform = world.transform(moved)
    for node in (desk.volume_node, desk.workspace.segments.node):
        node.SetAndObserveTransformNodeID(transform.GetID())
    desk.workspace.close()
    again = Desk(desk.volume_node, desk.worker, desk.image)
    node = again.workspace.markups.nodes["brush"]
    again.workspace.markups.use_brush(Brush(6.1))
    node.AddControlPointWorld(world_from_ijk(desk.volume_node, (7, 5, 4)).tolist())
    again.settle()
    expected = millimetres(desk.image, (7, 5, 4)) * 1.5 <= 3.05
    expected[[k for k in range(9) if k != 4]] = False
    np.testing.assert_array_equal(again.voxels(), expected)
    again.workspace.close()
