"""Mouse and keys in Slicer's three slice views become prompts; voxels are found by SimpleITK, colours in pictures."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

import slicer

from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, WindowLevel
from dfqsam_core.volume.slices import stored_plane
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.prompting.place_tool import PlaceTool
from dfqsam_scene.prompting.waiting import WaitingPrompts
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.grey_predictor import MODEL, GreyPredictor
from Testing.support.phantom import voxel_of, world_of
from Testing.support.slice_views import around, differing

from .conftest import LESION, ORGAN, SIZE_IJK

# Which voxel axis each view looks along.
VIEWS = {"Red": "K", "Green": "J", "Yellow": "I"}
CENTRE, LESION_CENTRE = (15, 18, 14), (29, 18, 14)


def click_at(world, workspace, image, view, ijk):
    """Show the slice of a voxel, click on it, and let the model answer; returns the pixel."""
    viewport = world.views[view]
    viewport.go_to(world_of(image, ijk))
    pixel = viewport.pixel(world_of(image, ijk))
    viewport.click(pixel)
    assert workspace.finish()
    return pixel


def is_colored(pixels):
    """(rows, columns) bool: no grey."""
    return np.ptp(pixels.astype(int), axis=2) > 24


def colors_and_truth(viewport, picture, image, key, plane):
    """For every second voxel of a slice away from the mask's edge: is its pixel coloured, is it in the mask."""
    inner = sitk.GetArrayFromImage(sitk.BinaryErode(sitk.GetImageFromArray(plane.astype(np.uint8)), (2, 2))) == 1
    outer = sitk.GetArrayFromImage(sitk.BinaryDilate(sitk.GetImageFromArray(plane.astype(np.uint8)), (2, 2))) == 0
    index = stored_plane(np.moveaxis(np.indices(SIZE_IJK[::-1]), 0, -1)[..., ::-1], key)
    found, expected = [], []
    for ijk, is_in, is_out in zip(index.reshape(-1, 3)[::2], inner.ravel()[::2], outer.ravel()[::2], strict=True):
        pixel = viewport.pixel(world_of(image, ijk))
        inside = 2 < pixel[0] < picture.shape[1] - 2 and 2 < pixel[1] < picture.shape[0] - 2
        if inside and (is_in or is_out):
            found.append(is_colored(around(picture, pixel, 0)).all())
            expected.append(bool(is_in))
    return np.array(found), np.array(expected)


@pytest.mark.parametrize("view", VIEWS)
def test_a_click_segments_its_slice_and_colours_that_and_only_that_in_the_view(
    world, workspace, placing, phantom, view, tmp_path
):
    image, viewport = phantom[1], world.views[view]
    key = SliceKey(VIEWS[view], CENTRE["IJK".index(VIEWS[view])])
    placing.begin(workspace.markups.nodes["positive"])
    pixel = click_at(world, workspace, image, view, CENTRE)
    ijk = voxel_of(image, viewport.world(pixel))
    assert np.abs(np.subtract(ijk, CENTRE)).max() <= 1
    assert workspace.controller.all_prompts() == {
        (workspace.segment_id, key): (PointPrompt(tuple(ijk), axis=key.axis),)
    }
    plane = stored_plane(sitk.GetArrayFromImage(image), key) == ORGAN
    np.testing.assert_array_equal(workspace.segments.read(workspace.segment_id, key), plane)
    placing.end()
    viewport.leave()
    picture = viewport.picture(tmp_path / f"{view}.png")
    found, expected = colors_and_truth(viewport, picture, image, key, plane)
    assert expected.sum() > 20
    assert (~expected).sum() > 100
    assert (found == expected).mean() > 0.99


@pytest.mark.parametrize("view", VIEWS)
def test_two_clicks_draw_a_box_and_what_is_in_it_is_segmented(world, workspace, placing, phantom, view):
    image, axis = phantom[1], VIEWS[view]
    low, high = ({"I": (15, 12, 10), "J": (10, 18, 10), "K": (10, 12, 14)}[axis]), (15, 18, 14)
    placing.begin(workspace.markups.nodes["box"])
    corners = []
    for corner in (low, high):
        pixel = click_at(world, workspace, image, view, corner)
        corners.append(voxel_of(image, world.views[view].world(pixel)))
    (((_, key), prompts),) = workspace.controller.all_prompts().items()
    assert prompts == (BoxPrompt.from_corners(tuple(corners[0]), tuple(corners[1]), axis),)
    mask = workspace.segments.read(workspace.segment_id, key)
    lows, highs = np.minimum(*corners), np.maximum(*corners)
    inside = np.zeros(SIZE_IJK[::-1], bool)
    inside[tuple(slice(a, b + 1) for a, b in zip(lows[::-1], highs[::-1], strict=True))] = True
    np.testing.assert_array_equal(mask, stored_plane(inside, key))
    assert mask.sum() > 10


def test_a_click_pressed_before_the_model_is_there_and_released_after_counts(world, a_volume_node, worker, phantom):
    image, viewport = phantom[1], world.views["Red"]
    node = new_segmentation(a_volume_node, "Organs")
    segment_id = node.GetSegmentation().AddEmptySegment("", "organ")
    waiting = WaitingPrompts(a_volume_node, node, lambda: None, pytest.fail, lambda draw: draw())
    waiting.segment_id = segment_id
    views = [(viewport.node, viewport.view.interactor()) for viewport in world.views.values()]
    tool = PlaceTool(world.scene, lambda: None, lambda: views)
    tool.follow(waiting.markups, segment_id)
    tool.choose("positive")
    viewport.go_to(world_of(image, CENTRE))
    viewport.move(viewport.pixel(world_of(image, CENTRE)))
    viewport.press()
    assert waiting.close() == (), "a press alone is no prompt"
    workspace = Workspace(a_volume_node, node, MODEL, worker, WindowLevel(600, 200), predictor=GreyPredictor())
    workspace.segment_id = segment_id
    tool.follow(workspace.markups, segment_id)
    viewport.release()
    assert workspace.finish()
    assert [key for _, key in workspace.controller.all_prompts()] == [SliceKey("K", CENTRE[2])]
    tool.close()
    workspace.close()


def test_the_tool_stays_for_the_next_box_and_the_box_is_drawn(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    placing.begin(workspace.markups.nodes["box"])
    for index in (14, 15):
        before = None
        for corner in ((8, 10, index), (22, 26, index)):
            viewport.go_to(world_of(image, (15, 18, index)))
            before = viewport.picture() if before is None else before
            viewport.click(viewport.pixel(world_of(image, corner)))
            assert workspace.finish()
        assert placing.node is workspace.markups.nodes["box"]
        viewport.leave()
        edge = viewport.pixel(world_of(image, (15, 9.5, index)))
        assert around(differing(before, viewport.picture())[..., None], edge, 2).any()
    kinds = {key.index: type(prompt) for (_, key), (prompt,) in workspace.controller.all_prompts().items()}
    assert kinds == {14: BoxPrompt, 15: BoxPrompt}


def test_a_negative_click_on_the_organ_takes_its_colour_away(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    placing.begin(workspace.markups.nodes["positive"])
    click_at(world, workspace, image, "Red", CENTRE)
    place = viewport.pixel(world_of(image, (15, 22, 14)))
    assert is_colored(around(viewport.picture(), place)).all()
    placing.begin(workspace.markups.nodes["negative"])
    click_at(world, workspace, image, "Red", (12, 14, 14))
    assert [prompt.positive for prompt in workspace.prompts_on(SliceKey("K", 14))] == [True, False]
    place = viewport.pixel(world_of(image, (15, 22, 14)))
    assert not is_colored(around(viewport.picture(), place)).any()


def test_the_right_button_ends_placing_and_a_click_then_is_no_prompt(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Green"]
    placing.begin(workspace.markups.nodes["positive"])
    assert placing.node is workspace.markups.nodes["positive"]
    viewport.right_click((30, 30))
    assert placing.node is None
    click_at(world, workspace, image, "Green", CENTRE)
    assert workspace.controller.all_prompts() == {}


def test_dragging_a_point_to_the_lesion_segments_the_lesion_instead(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    placing.begin(workspace.markups.nodes["positive"])
    start = click_at(world, workspace, image, "Red", CENTRE)
    placing.end()
    viewport.picture()
    end = viewport.pixel(world_of(image, LESION_CENTRE))
    viewport.drag(start, end)
    assert workspace.finish()
    (prompt,) = workspace.prompts_on(SliceKey("K", 14))
    assert np.abs(np.subtract(prompt.ijk, LESION_CENTRE)).max() <= 1
    mask = workspace.segments.read(workspace.segment_id, SliceKey("K", 14))
    np.testing.assert_array_equal(mask, sitk.GetArrayFromImage(image)[14] == LESION)


def test_the_delete_key_over_a_point_takes_its_prompt_back(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    placing.begin(workspace.markups.nodes["positive"])
    pixel = click_at(world, workspace, image, "Red", CENTRE)
    placing.end()
    viewport.picture()
    viewport.move(pixel)
    viewport.key("Delete")
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert not workspace.segments.read(workspace.segment_id, SliceKey("K", 14)).any()


def test_a_click_beside_the_volume_is_a_message_and_leaves_no_point(world, workspace, placing, phantom):
    placing.begin(workspace.markups.nodes["positive"])
    world.views["Red"].go_to(world_of(phantom[1], CENTRE))
    world.views["Red"].click((3, 3))
    assert workspace.finish()
    assert "outside the volume" in workspace.controller.message
    assert workspace.controller.all_prompts() == {}
    defined = workspace.markups.nodes["positive"].GetNumberOfDefinedControlPoints()
    assert defined == 0


def test_the_wheel_moves_one_slice_and_the_next_click_is_on_that(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    pixel = click_at(world, workspace, image, "Red", CENTRE)
    viewport.wheel(1)
    index = voxel_of(image, viewport.world(pixel))[2]
    assert abs(index - 14) == 1
    placing.begin(workspace.markups.nodes["positive"])
    viewport.click(pixel)
    assert workspace.finish()
    assert [key for _, key in workspace.controller.all_prompts()] == [SliceKey("K", index)]


def test_in_a_view_that_is_oblique_to_the_voxels_the_clicked_voxel_is_prompted(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    viewport.node.SetOrientation("Axial")
    viewport.go_to(world_of(image, CENTRE))
    before = viewport.picture()
    placing.begin(workspace.markups.nodes["positive"])
    pixel = viewport.pixel(world_of(image, CENTRE))
    viewport.click(pixel)
    assert workspace.finish()
    ijk = tuple(voxel_of(image, viewport.world(pixel)))
    assert workspace.prompts_on(SliceKey("K", ijk[2])) == (PointPrompt(ijk, axis="K"),)
    mask = workspace.segments.read(workspace.segment_id, SliceKey("K", ijk[2]))
    np.testing.assert_array_equal(mask, sitk.GetArrayFromImage(image)[ijk[2]] == ORGAN)
    assert around(differing(before, viewport.picture())[..., None], pixel, 2).all()


def test_a_point_is_drawn_without_a_label_over_the_image(world, workspace, placing, phantom):
    image, viewport = phantom[1], world.views["Red"]
    viewport.go_to(world_of(image, CENTRE))
    before = viewport.picture()
    placing.begin(workspace.markups.nodes["negative"])
    pixel = viewport.pixel(world_of(image, (15, 2, 14)))
    viewport.click(pixel)
    assert workspace.finish()
    placing.end()
    viewport.leave()
    changed = np.argwhere(differing(before, viewport.picture()))
    assert len(changed) > 10
    assert np.abs(changed - (len(before) - 1 - pixel[1], pixel[0])).max() < 12


def test_a_click_on_another_patients_picture_is_refused_in_the_view_that_shows_it(world, workspace, placing, phantom):
    other = world.read_volume(phantom[0], "Other patient")
    viewport = world.views["Red"]
    viewport.go_to(world_of(phantom[1], CENTRE))
    composite = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(viewport.node)
    shown = composite.GetBackgroundVolumeID()
    composite.SetBackgroundVolumeID(other.GetID())
    placing.begin(workspace.markups.nodes["positive"])
    viewport.click(viewport.pixel(world_of(phantom[1], CENTRE)))
    assert workspace.finish()
    assert "does not show CT" in workspace.controller.message
    assert workspace.controller.all_prompts() == {}
    composite.SetBackgroundVolumeID(shown)
    viewport.click(viewport.pixel(world_of(phantom[1], CENTRE)))
    assert workspace.finish()
    assert len(workspace.controller.all_prompts()) == 1
