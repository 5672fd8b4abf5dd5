"""Brush, eraser, ruler and crosshair under the mouse in Slicer's own views; voxels are found by SimpleITK."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.brush import Brush
from dfqsam_scene.nodes.rulers import RulerChanges, middle_of_ruler, remove_ruler, rulers
from dfqsam_scene.nodes.slice_views import shown_slice
from Testing.support.phantom import voxel_of, world_of
from Testing.support.slice_views import differing
from Testing.views.test_strokes import THROUGH, VIEWS, pixels, stroke


def painted(workspace):
    """(K, J, I) bool: what the segment has on all slices."""
    assert workspace.finish()
    assert not workspace.controller.is_error, workspace.controller.message
    segments = workspace.segments
    shape = segments.grid.shape_ijk
    return np.stack([segments.read(workspace.segment_id, SliceKey("K", k)) for k in range(shape[2])])


def reach(image, viewport, way, radius):
    """IJK of voxels whose centre is clearly within, and clearly beyond, a radius of a way of pixels, in mm."""
    k, j, i = np.indices(image.GetSize()[::-1])
    voxels = np.stack([i, j, k], axis=-1).reshape(-1, 3)
    steps = np.array([world_of(image, step) for step in [(0, 0, 0), *np.eye(3)]])
    world = voxels @ (steps[1:] - steps[0]) + steps[0]
    line = np.concatenate(
        [np.linspace(viewport.world(start), viewport.world(end), 100) for start, end in pairwise([way[0], *way])]
    )
    away = np.array([np.linalg.norm(line - place, axis=1).min() for place in world])
    near = {tuple(voxel) for voxel in voxels[away < radius - 0.6].tolist()}
    far = {tuple(voxel) for voxel in voxels[away > radius + 0.6].tolist()}
    return near, far


def voxels_of(mask):
    return {tuple(voxel[::-1]) for voxel in np.argwhere(mask).tolist()}


@pytest.mark.parametrize(("view", "axis"), VIEWS)
def test_the_brush_paints_what_the_mouse_passes_on_the_slice_that_is_shown(world, workspace, tool, phantom, view, axis):
    image, viewport = phantom[1], world.views[view]
    way = pixels(world, image, view, THROUGH[axis])
    workspace.markups.use_brush(Brush(9.0))
    tool.choose("brush")
    stroke(viewport, way)
    mask = painted(workspace)
    near, far = reach(image, viewport, way, 4.5)
    normal = "IJK".index(axis)
    shown = {voxel for voxel in near if voxel[normal] == THROUGH[axis][0][normal]}
    assert shown <= voxels_of(mask)
    assert not voxels_of(mask) & far
    assert {voxel[normal] for voxel in voxels_of(mask)} == {THROUGH[axis][0][normal]}
    assert tool.wanted == "brush", "it goes on"


def test_a_ball_paints_neighbouring_slices_and_the_eraser_takes_it_away_again(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    (spot,) = pixels(world, phantom[1], "Red", [(15, 18, 14)])
    workspace.markups.use_brush(Brush(16.0, is_ball=True))
    tool.choose("brush")
    viewport.click(spot)
    near, far = reach(phantom[1], viewport, [spot], 8.0)
    mask = painted(workspace)
    assert near <= voxels_of(mask)
    assert not voxels_of(mask) & far
    workspace.markups.use_brush(Brush(20.0, is_ball=True))
    tool.choose("eraser")
    viewport.click(spot)
    assert not painted(workspace).any()
    workspace.controller.undo()
    np.testing.assert_array_equal(painted(workspace), mask)


def test_in_a_view_that_cuts_the_voxels_obliquely_it_paints_what_is_seen_there(world, workspace, tool, phantom):
    """As where a view keeps to the patient's planes and the volume does not."""
    image, viewport = phantom[1], world.views["Red"]
    viewport.node.SetOrientationToAxial()
    (spot,) = pixels(world, image, "Red", [(15, 18, 14)])
    workspace.markups.use_brush(Brush(20.0))
    tool.choose("brush")
    viewport.click(spot)
    found = voxels_of(painted(workspace))
    for x in range(spot[0] - 60, spot[0] + 61, 3):
        for y in range(spot[1] - 60, spot[1] + 61, 3):
            place = viewport.world((x, y))
            away = np.linalg.norm(place - viewport.world(spot))
            if away < 10.0 - 2.5:
                assert voxel_of(image, place) in found
            elif away > 10.0 + 2.5:
                assert voxel_of(image, place) not in found
    normal = viewport.node.GetSliceToRAS()
    normal = np.array([normal.GetElement(row, 2) for row in range(3)])
    heights = [abs(normal @ (world_of(image, voxel) - viewport.world(spot))) for voxel in found]
    assert max(heights) < 0.5 * np.abs([1.8, 1.7, 3.1]).sum()
    assert len({voxel[2] for voxel in found}) > 1


def test_a_ring_follows_the_mouse_and_goes_with_it_and_the_way_is_seen_before_the_button_is_let_go(
    world, workspace, tool, phantom
):
    viewport = world.views["Red"]
    # Beside the organ, so that no mask hides the line.
    way = pixels(world, phantom[1], "Red", [(4, 3, 14), (20, 3, 14), (34, 3, 14)])
    before = viewport.picture()
    workspace.markups.use_brush(Brush(8.0))
    tool.choose("brush")
    viewport.move(way[0])
    ring = np.argwhere(differing(before, viewport.picture()))
    rows, columns = np.ptp(ring, axis=0)
    scale = np.linalg.norm(viewport.world((100, 100)) - viewport.world((101, 100)))
    assert rows * scale == pytest.approx(8.0, abs=2.0)
    assert columns * scale == pytest.approx(8.0, abs=2.0)
    viewport.press()
    for pixel in way[1:]:
        viewport.move(pixel)
    assert differing(before, viewport.picture()).sum() > 2 * 8.0 / scale * (way[2][0] - way[0][0]) / 4
    assert not workspace.segments.read(workspace.segment_id, SliceKey("K", 14)).any()
    viewport.release()
    assert painted(workspace)[14].any()
    viewport.leave()
    workspace.controller.undo()
    assert workspace.finish()
    assert not differing(before, viewport.picture()).any()


def test_escape_and_the_right_button_give_a_stroke_up(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    way = pixels(world, phantom[1], "Red", THROUGH["K"])
    tool.choose("brush")
    viewport.move(way[0])
    viewport.press()
    viewport.move(way[1])
    tool.give_up_drag()
    viewport.move(way[2])
    viewport.release()
    assert not painted(workspace).any()


def test_a_stroke_over_two_slices_is_refused(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    way = pixels(world, phantom[1], "Red", THROUGH["K"])
    tool.choose("brush")
    viewport.move(way[0])
    viewport.press()
    viewport.move(way[1])
    viewport.go_to(world_of(phantom[1], (15, 18, 18)))
    viewport.move(way[2])
    viewport.release()
    assert workspace.finish()
    assert "went to another slice" in workspace.controller.message
    assert not workspace.segments.box(workspace.segment_id, (0, 0, 0))[1].any()


ENDS = [(6, 8, 14), (30, 26, 14)]


@pytest.mark.parametrize("is_drag", [True, False])
def test_a_ruler_measures_millimetres_in_the_world_and_is_no_prompt(world, workspace, tool, phantom, is_drag):
    viewport = world.views["Red"]
    ends = pixels(world, phantom[1], "Red", ENDS)
    tool.choose("ruler")
    if is_drag:
        viewport.drag(*ends)
    else:
        for end in ends:
            viewport.click(end)
    tool.follow(workspace.markups, workspace.segment_id)
    (ruler,) = rulers(world.scene)
    expected = np.linalg.norm(world_of(phantom[1], ENDS[0]) - world_of(phantom[1], ENDS[1]))
    assert ruler.length_mm == pytest.approx(expected, abs=1.5)
    assert workspace.prompts() == {}
    assert not workspace.controller.can_undo
    assert tool.wanted is None, "the mouse can drag its ends"
    changed = []
    changes = RulerChanges(lambda: changed.append(1))
    changes.watch(world.scene)
    world.scene.GetNodeByID(ruler.id).SetNthControlPointPositionWorld(0, *world_of(phantom[1], (6, 9, 14)))
    assert changed
    world.scene.GetNodeByID(ruler.id).RemoveAllControlPoints()
    with pytest.raises(PromptError, match="no ends"):
        middle_of_ruler(world.scene, ruler.id)
    remove_ruler(world.scene, ruler.id)
    assert rulers(world.scene) == ()
    changes.watch(world.scene)


def test_a_ruler_of_no_length_is_refused(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    (spot,) = pixels(world, phantom[1], "Red", [ENDS[0]])
    tool.choose("ruler")
    viewport.click(spot)
    viewport.click(spot)
    assert rulers(world.scene) == ()
    assert "at one place" in workspace.controller.message


def test_a_click_with_the_crosshair_brings_all_views_there(world, workspace, tool, phantom, a_volume_node):
    viewport = world.views["Red"]
    (spot,) = pixels(world, phantom[1], "Red", [(22, 11, 14)])
    tool.choose("crosshair")
    viewport.click(spot)
    assert shown_slice(a_volume_node, world.views["Green"].node) == SliceKey("J", 11)
    assert shown_slice(a_volume_node, world.views["Yellow"].node) == SliceKey("I", 22)
    assert shown_slice(a_volume_node, viewport.node) == SliceKey("K", 14)
    assert workspace.prompts() == {}
    crosshair = world.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    assert voxel_of(phantom[1], crosshair.GetCrosshairRAS()) == (22, 11, 14)
