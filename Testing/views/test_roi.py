"""A 3D box in Slicer's own views: drawn on one slice, deepened by its handles, taken back in one step."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_core.volume import BoxPrompt, SliceKey
from Testing.support.phantom import voxel_of, world_of

LOW, HIGH = (8, 10, 14), (22, 26, 14)


def draw(world, workspace, tool, image, by="drag"):
    """Draw the 3D box on the axial slice 14; the voxels of the corners as SimpleITK finds them."""
    viewport = world.views["Red"]
    viewport.go_to(world_of(image, np.mean((LOW, HIGH), axis=0)))
    start, end = (viewport.pixel(world_of(image, corner)) for corner in (LOW, HIGH))
    tool.choose("roi")
    if by == "drag":
        viewport.drag(start, end)
    else:
        viewport.click(start)
        viewport.click(end)
    # As each tick does.
    tool.follow(workspace.markups, workspace.segment_id)
    return [voxel_of(image, viewport.world(pixel)) for pixel in (start, end)]


def boxes(workspace):
    """The only prompt of each slice, by the slice's index along K."""
    found = {}
    for (_, key), (prompt,) in workspace.controller.all_prompts().items():
        assert key.axis == "K"
        found[key.index] = prompt
    return dict(sorted(found.items()))


def rois(world):
    kind = "vtkMRMLMarkupsROINode"
    return [world.scene.GetNthNodeByClass(n, kind) for n in range(world.scene.GetNumberOfNodesByClass(kind))]


def masks(workspace):
    return np.stack([workspace.segments.read(workspace.segment_id, SliceKey("K", k)) for k in range(28)])


@pytest.mark.parametrize("by", ["drag", "clicks"])
def test_a_3d_box_prompts_every_slice_that_it_covers_and_is_as_deep_as_its_shorter_side(
    world, workspace, tool, phantom, by
):
    corners = draw(world, workspace, tool, phantom[1], by)
    assert workspace.finish()
    (low_i, high_i), (low_j, high_j) = (sorted(pair) for pair in list(zip(*corners, strict=True))[:2])
    depth_mm = min((high_i - low_i + 1) * 1.8, (high_j - low_j + 1) * 1.7)
    covered = [k for k in range(28) if abs(k - 14) * 3.1 <= depth_mm / 2]
    assert len(covered) > 5
    assert boxes(workspace) == {k: BoxPrompt((low_i, low_j, k), (high_i, high_j, k)) for k in covered}
    assert [k for k, mask in enumerate(masks(workspace)) if mask.any()] == covered
    assert tool.wanted is None, "the mouse has the handles now"
    (roi,) = rois(world)
    assert roi.GetHideFromEditors()
    assert not roi.GetSaveWithScene()


def test_one_undo_takes_all_its_slices_back_and_its_handles_and_one_redo_brings_the_slices(
    world, workspace, tool, phantom
):
    before = masks(workspace)
    draw(world, workspace, tool, phantom[1])
    assert workspace.finish()
    after, prompts = masks(workspace), boxes(workspace)
    workspace.controller.undo()
    assert workspace.finish()
    np.testing.assert_array_equal(masks(workspace), before)
    assert (boxes(workspace), rois(world), workspace.controller.can_undo) == ({}, [], False)
    workspace.controller.redo()
    assert workspace.finish()
    np.testing.assert_array_equal(masks(workspace), after)
    assert boxes(workspace) == prompts


def test_a_handle_makes_it_deeper_and_only_the_new_slices_change(world, workspace, tool, phantom):
    image = phantom[1]
    draw(world, workspace, tool, image)
    assert workspace.finish()
    before, first = masks(workspace), boxes(workspace)
    # By hand, on a slice that the box has already: it stays.
    hand = workspace.segments.read(workspace.segment_id, SliceKey("K", 14)).copy()
    hand[0, 0] = True
    workspace.segments.restore(workspace.segment_id, SliceKey("K", 14), hand)
    encoded = workspace.session.slices.encodings
    viewport = world.views["Green"]
    viewport.go_to(world_of(image, (15, 18, 14)))
    viewport.picture()
    top = viewport.pixel(world_of(image, (15, 18, max(first) + 0.5)))
    (roi,) = rois(world)
    size = roi.GetSize()
    centre = roi.GetCenterWorld()
    face = np.array(centre) + np.array([roi.GetObjectToWorldMatrix().GetElement(r, 2) for r in range(3)]) * size[2] / 2
    top = viewport.pixel(face)
    further = viewport.pixel(np.array(centre) + (face - centre) * (1 + 2 * 2 * 3.1 / size[2]))
    viewport.drag(top, further)
    assert workspace.finish()
    second = boxes(workspace)
    assert len(second) > len(first)
    assert {k: second[k] for k in first} == first
    new = [k for k in second if k not in first]
    assert workspace.session.slices.encodings == encoded + len(new), "no other slice was predicted"
    changed = [k for k, (a, b) in enumerate(zip(before, masks(workspace), strict=True)) if (a != b).any()]
    assert set(changed) <= {14, *new}
    assert len(rois(world)) == 1, "its handles stay"
    workspace.controller.undo()
    assert workspace.finish()
    assert boxes(workspace) == first
    before[14][0, 0] = True
    np.testing.assert_array_equal(masks(workspace), before)


def test_a_change_while_it_is_worked_on_replaces_what_was_asked_and_is_one_undo_step(world, workspace, tool, phantom):
    draw(world, workspace, tool, phantom[1])
    (roi,) = rois(world)
    assert workspace.controller.is_busy
    for depth in (9.3, 21.7, 15.5):
        roi.SetSize(*roi.GetSize()[:2], depth)
        roi.InvokeEvent(roi.PointEndInteractionEvent)
    assert workspace.finish()
    assert list(boxes(workspace)) == [12, 13, 14, 15, 16]
    assert [k for k, mask in enumerate(masks(workspace)) if mask.any()] == [12, 13, 14, 15, 16]
    workspace.controller.undo()
    assert workspace.finish()
    assert (boxes(workspace), workspace.controller.can_undo) == ({}, False)


def test_cancelling_it_leaves_no_slice_and_no_handle(world, workspace, tool, phantom):
    draw(world, workspace, tool, phantom[1])
    workspace.controller.cancel()
    assert workspace.finish()
    assert not masks(workspace).any()
    assert (boxes(workspace), rois(world)) == ({}, [])


def test_removing_one_of_its_boxes_takes_the_handles_and_no_other_box(world, workspace, tool, phantom):
    draw(world, workspace, tool, phantom[1])
    assert workspace.finish()
    first = boxes(workspace)
    workspace.controller.remove_prompt(workspace.segment_id, first[14])
    assert workspace.finish()
    assert boxes(workspace) == {k: box for k, box in first.items() if k != 14}
    assert rois(world) == []


def test_a_roi_of_somebody_else_stays_theirs(world, workspace, tool, phantom):
    theirs = world.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "theirs")
    theirs.SetSize(30, 30, 30)
    theirs.SetCenterWorld(world_of(phantom[1], (15, 18, 14)).tolist())
    theirs.InvokeEvent(theirs.PointEndInteractionEvent)
    draw(world, workspace, tool, phantom[1])
    assert workspace.finish()
    workspace.controller.undo()
    assert workspace.finish()
    assert rois(world) == [theirs]
    assert tuple(theirs.GetSize()) == (30, 30, 30)
