"""Boxes by a drag and by two clicks in Slicer's own views, and corners that nobody finishes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_core.volume import BoxPrompt, SliceKey
from Testing.support.phantom import voxel_of, world_of
from Testing.support.slice_views import around, differing

LOW, HIGH = (8, 10, 14), (22, 26, 14)


def pixels(world, image, view, *corners):
    """Show the slice of the first corner; the pixels of all."""
    viewport = world.views[view]
    viewport.go_to(world_of(image, np.mean(corners, axis=0)))
    return [viewport.pixel(world_of(image, corner)) for corner in corners]


def boxes(workspace):
    """All boxes, by segment and slice."""
    return workspace.controller.all_prompts()


def expected_box(world, image, view, axis, *places):
    corners = [tuple(voxel_of(image, world.views[view].world(pixel))) for pixel in places]
    return BoxPrompt.from_corners(*corners, axis)


@pytest.mark.parametrize(
    ("view", "axis", "low", "high"), [("Red", "K", LOW, HIGH), ("Green", "J", (8, 18, 9), (22, 18, 20))]
)
def test_a_drag_draws_the_box_from_where_it_began_to_where_it_ended(
    world, workspace, tool, phantom, view, axis, low, high
):
    image = phantom[1]
    start, end = pixels(world, image, view, low, high)
    tool.choose("box")
    world.views[view].drag(start, end)
    assert workspace.finish()
    ((key, found),) = boxes(workspace).items()
    assert found == (expected_box(world, image, view, axis, start, end),)
    assert found[0].low_ijk != found[0].high_ijk
    assert key[1] == SliceKey(axis, low["IJK".index(axis)])


def test_a_drag_in_a_view_that_came_after_the_tool_draws_a_box(world, workspace, phantom):
    from dfqsam_scene.prompting.place_tool import PlaceTool

    # A view of another layout or monitor: its button was not heard, and boxes took two clicks there.
    shown = [(viewport.node, viewport.view.interactor()) for name, viewport in world.views.items() if name != "Red"]
    tool = PlaceTool(world.scene, lambda: None, lambda: list(shown))
    tool.follow(workspace.markups, workspace.segment_id)
    tool.choose("box")
    shown.append((world.views["Red"].node, world.views["Red"].view.interactor()))
    tool.follow(workspace.markups, workspace.segment_id)
    start, end = pixels(world, phantom[1], "Red", LOW, HIGH)
    world.views["Red"].drag(start, end)
    assert workspace.finish()
    tool.close()
    ((found,),) = boxes(workspace).values()
    assert found == expected_box(world, phantom[1], "Red", "K", start, end)


def test_a_drag_after_a_drag_is_a_box_of_its_own(world, workspace, tool, phantom):
    image = phantom[1]
    tool.choose("box")
    for index in (14, 15):
        start, end = pixels(world, image, "Red", (8, 10, index), (22, 26, index))
        world.views["Red"].drag(start, end)
        assert workspace.finish()
    assert [key for _, key in boxes(workspace)] == [SliceKey("K", 14), SliceKey("K", 15)]


def test_a_hand_that_trembles_at_a_click_draws_no_box(world, workspace, tool, phantom):
    start, end = pixels(world, phantom[1], "Red", LOW, HIGH)
    tool.choose("box")
    world.views["Red"].drag(start, (start[0] + 2, start[1] + 1))
    assert boxes(workspace) == {}
    world.views["Red"].click(end)
    assert workspace.finish()
    ((found,),) = boxes(workspace).values()
    assert found == expected_box(world, phantom[1], "Red", "K", (start[0] + 2, start[1] + 1), end)


@pytest.mark.parametrize("by", ["drag", "clicks"])
def test_a_rectangle_follows_the_mouse(world, workspace, tool, phantom, by):
    viewport = world.views["Red"]
    start, end = pixels(world, phantom[1], "Red", LOW, HIGH)
    tool.choose("box")
    viewport.move(start)
    viewport.press()
    if by == "clicks":
        viewport.release()
    before = viewport.picture()
    viewport.move(end)
    picture = viewport.picture()
    edge = ((start[0] + end[0]) // 2, start[1])
    changed = differing(before, picture)
    assert around(changed[..., None], edge, 6).any(), "a side of the rectangle that is not on the diagonal"
    assert boxes(workspace) == {}
    if by == "drag":
        viewport.release()
    else:
        viewport.click(end)
    assert workspace.finish()
    assert len(boxes(workspace)) == 1


@pytest.mark.parametrize("end", ["Escape", "another tool", "another segment", "another slice"])
def test_a_corner_that_nobody_finishes_is_forgotten(world, workspace, tool, phantom, end):
    viewport = world.views["Red"]
    first, start, finish = pixels(world, phantom[1], "Red", (4, 4, 14), LOW, HIGH)
    tool.choose("box")
    viewport.click(first)
    corners = workspace.markups.nodes["box"]
    assert corners.GetNumberOfDefinedControlPoints() == 1
    if end == "Escape":
        tool.place_mode.end()
        assert tool.wanted is None
    elif end == "another tool":
        tool.choose("positive")
    elif end == "another segment":
        workspace.segment_id = workspace.segments.add_segment("lesion")
    else:
        viewport.wheel(1)
    tool.follow(workspace.markups, workspace.segment_id)
    assert corners.GetNumberOfDefinedControlPoints() == 0
    tool.choose("box")
    for pixel in (start, finish):
        viewport.click(pixel)
    assert workspace.finish()
    ((found,),) = boxes(workspace).values()
    assert found == expected_box(world, phantom[1], "Red", "K", start, finish)


def test_two_corners_on_two_slices_are_no_box(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    first, start, finish = pixels(world, phantom[1], "Red", (4, 4, 14), LOW, HIGH)
    tool.choose("box")
    viewport.click(first)
    viewport.wheel(1)
    # Without a moment for the tool to follow: the click itself is on another slice.
    for pixel in (start, finish):
        viewport.click(pixel)
    assert workspace.finish()
    ((found,),) = boxes(workspace).values()
    assert found == expected_box(world, phantom[1], "Red", "K", start, finish)
