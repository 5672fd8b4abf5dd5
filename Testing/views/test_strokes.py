"""Scribbles and lassos drawn with the button held down in Slicer's own views; voxels are found by SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_core.volume import LassoPrompt, PointPrompt, ScribblePrompt, SliceKey
from Testing.support.phantom import voxel_of, world_of
from Testing.support.slice_views import around, differing

# In the ellipsoid of the phantom, in the plane of each view.
THROUGH = {
    "K": [(10, 18, 14), (15, 15, 14), (20, 18, 14)],
    "J": [(10, 18, 14), (15, 18, 12), (20, 18, 14)],
    "I": [(15, 13, 14), (15, 18, 12), (15, 23, 14)],
}
AROUND = {
    "K": [(3, 5, 14), (27, 5, 14), (27, 31, 14), (3, 31, 14)],
    "J": [(3, 18, 3), (27, 18, 3), (27, 18, 25), (3, 18, 25)],
    "I": [(15, 5, 3), (15, 31, 3), (15, 31, 25), (15, 5, 25)],
}
VIEWS = [("Red", "K"), ("Green", "J"), ("Yellow", "I")]
STROKES = [("scribble", True), ("scribble_out", False), ("lasso", True), ("lasso_out", False)]


def pixels(world, image, view, places):
    """Show the slice of these voxels, all in the view; the pixel of each."""
    viewport = world.views[view]
    viewport.go_to(world_of(image, np.mean(places, axis=0)))
    return [viewport.pixel(world_of(image, place)) for place in places]


def stroke(viewport, way):
    """Press at the first pixel, move over the others, release at the last."""
    viewport.move(way[0])
    viewport.press()
    for pixel in way[1:]:
        viewport.move(pixel)
    viewport.release()


def only_prompt(workspace):
    assert workspace.finish()
    (((_, key), (prompt,)),) = workspace.controller.all_prompts().items()
    return key, prompt


@pytest.mark.parametrize(("role", "positive"), STROKES)
@pytest.mark.parametrize(("view", "axis"), VIEWS)
def test_a_stroke_passes_the_voxels_that_the_mouse_passed(world, workspace, tool, phantom, view, axis, role, positive):
    image, viewport = phantom[1], world.views[view]
    way = pixels(world, image, view, (THROUGH if role.startswith("scribble") else AROUND)[axis])
    tool.choose(role)
    stroke(viewport, way)
    key, prompt = only_prompt(workspace)
    assert isinstance(prompt, ScribblePrompt if role.startswith("scribble") else LassoPrompt)
    assert (prompt.positive, prompt.axis, key) == (positive, axis, SliceKey(axis, THROUGH[axis][0]["IJK".index(axis)]))
    passed = [voxel_of(image, viewport.world(pixel)) for pixel in way]
    assert prompt.voxels_ijk[0] == passed[0]
    assert prompt.voxels_ijk[-1] == passed[-1]
    assert set(passed) <= set(prompt.voxels_ijk)


def test_a_stroke_is_seen_while_it_is_drawn_and_stays(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    # Beside the organ, so that no mask hides the line.
    way = pixels(world, phantom[1], "Red", [(2, 2, 14), (20, 2, 14), (36, 2, 14)])
    tool.choose("scribble_out")
    viewport.move(way[0])
    viewport.press()
    before = viewport.picture()
    for pixel in way[1:]:
        viewport.move(pixel)
    middle = ((way[0][0] + way[1][0]) // 2, way[0][1])
    assert around(differing(before, viewport.picture())[..., None], middle, 3).any()
    assert workspace.controller.all_prompts() == {}
    viewport.release()
    only_prompt(workspace)
    tool.choose(None)
    viewport.leave()
    assert around(differing(before, viewport.picture())[..., None], middle, 3).any()


def test_a_lasso_segments_what_pillow_says_is_in_it(world, workspace, tool, phantom):
    image = phantom[1]
    tool.choose("lasso")
    stroke(world.views["Red"], pixels(world, image, "Red", AROUND["K"]))
    key, prompt = only_prompt(workspace)
    rows, columns = workspace.segments.read(workspace.segment_id, key).shape
    picture = Image.new("1", (columns, rows))
    ImageDraw.Draw(picture).polygon([voxel[:2] for voxel in prompt.vertices_ijk], fill=1, outline=1)
    mask = workspace.segments.read(workspace.segment_id, key)
    assert mask.sum() > 100
    assert not (mask & ~np.array(picture)).any(), "the box of the lasso was given, so nothing beyond it"


@pytest.mark.parametrize("role", ["scribble", "scribble_out"])
def test_a_scribble_below_two_voxels_is_a_point(world, workspace, tool, phantom, role):
    (start,) = pixels(world, phantom[1], "Red", [(15, 18, 14)])
    tool.choose(role)
    stroke(world.views["Red"], [start, (start[0] + 3, start[1])])
    _, prompt = only_prompt(workspace)
    assert isinstance(prompt, PointPrompt)
    assert prompt.positive == (role == "scribble")


def test_a_click_with_the_lasso_is_refused_in_a_sentence(world, workspace, tool, phantom):
    (start,) = pixels(world, phantom[1], "Red", [(15, 18, 14)])
    tool.choose("lasso")
    world.views["Red"].click(start)
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert "less than 2 voxels" in workspace.controller.message
    assert tool.wanted == "lasso"


@pytest.mark.parametrize("end", ["right button", "Escape"])
def test_a_stroke_can_be_given_up_and_the_next_one_begins_anew(world, workspace, tool, phantom, end):
    image, viewport = phantom[1], world.views["Red"]
    way = pixels(world, image, "Red", AROUND["K"])
    tool.choose("lasso")
    viewport.move(way[0])
    viewport.press()
    viewport.move(way[1])
    viewport.move(way[2])
    before = viewport.picture()
    if end == "Escape":
        tool.choose(None)
    else:
        viewport.view.interactor().InvokeEvent("RightButtonPressEvent")
        viewport.view.interactor().InvokeEvent("RightButtonReleaseEvent")
    viewport.move(way[3])
    assert differing(before, viewport.picture()).any(), "the line is gone"
    viewport.release()
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert workspace.controller.message == ""
    tool.choose("scribble")
    stroke(viewport, pixels(world, image, "Red", THROUGH["K"]))
    assert isinstance(only_prompt(workspace)[1], ScribblePrompt)


def test_a_right_press_alone_gives_the_stroke_up_before_the_left_button_is_released(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    way = pixels(world, phantom[1], "Red", AROUND["K"])
    tool.choose("lasso")
    viewport.move(way[0])
    viewport.press()
    viewport.move(way[1])
    viewport.view.interactor().InvokeEvent("RightButtonPressEvent")
    viewport.move(way[2])
    viewport.release()
    assert workspace.finish()
    assert (workspace.controller.all_prompts(), workspace.controller.message) == ({}, "")


def test_a_wheel_during_a_stroke_is_said_and_places_nothing(world, workspace, tool, phantom):
    viewport = world.views["Red"]
    way = pixels(world, phantom[1], "Red", THROUGH["K"])
    tool.choose("scribble")
    viewport.move(way[0])
    viewport.press()
    viewport.move(way[1])
    viewport.wheel(1)
    viewport.move(way[2])
    viewport.release()
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert "another slice while you drew" in workspace.controller.message


def test_what_is_drawn_beyond_the_picture_is_left_out_of_a_scribble_and_cut_from_a_lasso(
    world, workspace, tool, phantom
):
    image, viewport = phantom[1], world.views["Red"]
    beyond = pixels(world, image, "Red", [(30, 18, 14), (38, 18, 14), (45, 18, 14), (45, 30, 14), (30, 30, 14)])
    viewport.go_to(world_of(image, (36, 24, 14)))
    beyond = [
        viewport.pixel(world_of(image, place)) for place in [(30, 18, 14), (45, 18, 14), (45, 30, 14), (30, 30, 14)]
    ]
    tool.choose("scribble")
    stroke(viewport, beyond[:2])
    _, scribble = only_prompt(workspace)
    assert max(voxel[0] for voxel in scribble.path_ijk) <= 39
    workspace.controller.undo()
    tool.choose("lasso")
    stroke(viewport, beyond)
    _, lasso = only_prompt(workspace)
    assert max(voxel[0] for voxel in lasso.vertices_ijk) == 39


def test_strokes_are_taken_back_and_repeated_bit_for_bit(world, workspace, tool, phantom):
    image, viewport = phantom[1], world.views["Red"]
    key, segment_id = SliceKey("K", 14), workspace.segment_id
    states = [workspace.segments.read(segment_id, key).copy()]
    for role in ("scribble", "scribble_out", "lasso"):
        tool.choose(role)
        places = {"scribble": THROUGH["K"], "scribble_out": [(25, 18, 14), (33, 18, 14)], "lasso": AROUND["K"]}[role]
        viewport.go_to(world_of(image, (15, 18, 14)))
        stroke(viewport, [viewport.pixel(world_of(image, place)) for place in places])
        assert workspace.finish()
        states.append(workspace.segments.read(segment_id, key).copy())
    assert states[1].any()
    for move, expected in (("undo", states[-2::-1]), ("redo", states[1:])):
        for state in expected:
            getattr(workspace.controller, move)()
            assert workspace.finish()
            np.testing.assert_array_equal(workspace.segments.read(segment_id, key), state)


@pytest.mark.parametrize("role", ["scribble", "lasso"])
def test_a_3d_view_draws_no_stroke(world, workspace, tool, phantom, role):
    tool.choose(role)
    mouse = world.three_d
    mouse.picture()
    stroke(mouse, [(150, 100), (250, 100), (250, 200), (150, 200)])
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert tool.wanted == role


@pytest.mark.parametrize("role", ["box", "scribble", "lasso"])
def test_another_segment_may_be_chosen_while_the_mouse_with_a_tool_is_in_a_view(world, workspace, tool, phantom, role):
    image, viewport = phantom[1], world.views["Red"]
    way = pixels(world, image, "Red", AROUND["K"])
    tool.choose(role)
    viewport.move(way[0])
    workspace.segment_id = workspace.segments.add_segment("lesion")
    tool.follow(workspace.markups, workspace.segment_id)
    viewport.move(way[1])
    stroke(viewport, way if role != "box" else way[:1] + way[2:3])
    key, _ = only_prompt(workspace)
    assert list(workspace.controller.all_prompts()) == [(workspace.segment_id, key)]


@pytest.mark.parametrize("role", ["box", "scribble"])
def test_nor_is_anything_said_when_the_tool_is_put_down_right_after_that(world, workspace, tool, phantom, role):
    (start,) = pixels(world, phantom[1], "Red", [(15, 18, 14)])
    tool.choose(role)
    world.views["Red"].move(start)
    workspace.segment_id = workspace.segments.add_segment("lesion")
    tool.follow(workspace.markups, workspace.segment_id)
    tool.choose(None)
    assert tool.place_mode.node is None
