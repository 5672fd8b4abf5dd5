"""What Slicer's slice views show of previews, acceptance, undo and neighbours, in pixels."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey
from Testing.support.phantom import world_of
from Testing.support.slice_views import around, differing

from .conftest import ORGAN, ORGAN_COLOR

K14 = SliceKey("K", 14)
ON_ORGAN, ON_LESION, BESIDE = (12, 22, 14), (29, 18, 14), (5, 5, 14)
PREVIEW_COLOR = (1.0, 0.85, 0.1)


@pytest.fixture
def red(world, phantom):
    """The axial view on slice K 14 of the phantom."""
    world.views["Red"].go_to(world_of(phantom[1], (20, 18, 14)))
    return world.views["Red"]


def prompt(workspace, *prompts):
    for one in prompts:
        workspace.controller.add_prompt(workspace.segment_id, one)
        assert workspace.finish()
        assert not workspace.controller.is_error, workspace.controller.message


def mean_color(view, picture, image, ijk):
    return around(picture, view.pixel(world_of(image, ijk))).reshape(-1, 3).mean(axis=0)


def is_tinted(found, plain, color):
    """Whether the change from a plain colour goes towards a tint (0..1)."""
    change = found - plain
    return np.abs(change).max() > 12 and float(np.dot(change, np.multiply(color, 255) - plain)) > 0


def test_a_preview_is_yellow_the_accepted_mask_has_the_segments_colour_and_undo_brings_the_picture_back(
    workspace, red, phantom, tmp_path
):
    image = phantom[1]
    workspace.controller.auto_accept = False
    before = red.picture()
    plain = mean_color(red, before, image, ON_ORGAN)
    assert np.ptp(plain) < 2
    prompt(workspace, PointPrompt((15, 14, 14)))
    preview = red.picture(tmp_path / "preview.png")
    found = mean_color(red, preview, image, ON_ORGAN)
    assert is_tinted(found, plain, PREVIEW_COLOR)
    assert found[1] - found[2] > 24
    assert not workspace.segments.read(workspace.segment_id, K14).any()
    workspace.controller.accept_preview()
    accepted = red.picture(tmp_path / "accepted.png")
    found = mean_color(red, accepted, image, ON_ORGAN)
    assert is_tinted(found, plain, ORGAN_COLOR)
    assert found[0] - found[1] > 24
    assert found[1] - found[2] < 12
    workspace.controller.undo()
    np.testing.assert_array_equal(red.picture(), before)


def test_a_discarded_preview_leaves_no_trace(workspace, red):
    workspace.controller.auto_accept = False
    before = red.picture()
    prompt(workspace, PointPrompt((15, 14, 14)))
    assert differing(before, red.picture()).sum() > 500
    workspace.controller.discard_preview()
    np.testing.assert_array_equal(red.picture(), before)


def test_prompting_one_segment_leaves_the_pixels_of_its_neighbour(workspace, red, phantom):
    image = phantom[1]
    prompt(workspace, PointPrompt((15, 14, 14)))
    before = red.picture()
    workspace.segment_id = workspace.segments.add_segment("lesion")
    workspace.segments.node.GetSegmentation().GetSegment(workspace.segment_id).SetColor(0.1, 0.3, 0.9)
    # The box holds half of the organ, too; its voxels stay the organ's.
    prompt(workspace, BoxPrompt((15, 8, 14), (36, 28, 14)))
    after = red.picture()
    changed = differing(before, after)
    assert is_tinted(
        mean_color(red, after, image, ON_LESION), mean_color(red, before, image, ON_LESION), (0.1, 0.3, 0.9)
    )
    organ = sitk.GetArrayFromImage(sitk.BinaryErode(image == ORGAN, (2, 2, 0)))[14]
    places = [red.pixel(world_of(image, (i, j, 14))) for j, i in np.argwhere(organ)]
    assert len(places) > 100
    assert not any(around(changed[..., None], place, 0).any() for place in places)


def test_a_slice_away_nothing_is_drawn(world, workspace, red, phantom):
    red.go_to(world_of(phantom[1], (20, 18, 15)))
    before = red.picture()
    prompt(workspace, PointPrompt((15, 14, 14)))
    np.testing.assert_array_equal(red.picture(), before)
    red.go_to(world_of(phantom[1], (20, 18, 14)))
    assert np.ptp(mean_color(red, red.picture(), phantom[1], ON_ORGAN)) > 24


def test_the_other_two_views_show_the_slice_as_a_line(world, workspace, phantom):
    image = phantom[1]
    for name in ("Green", "Yellow"):
        world.views[name].go_to(world_of(image, (15, 18, 14)))
    before = {name: world.views[name].picture() for name in ("Green", "Yellow")}
    prompt(workspace, PointPrompt((15, 14, 14)))
    for name, picture in before.items():
        view = world.views[name]
        changed = differing(picture, view.picture())
        assert around(changed[..., None], view.pixel(world_of(image, (15, 18, 14))), 1).any()
        for k in (10, 18):
            assert not around(changed[..., None], view.pixel(world_of(image, (15, 18, k))), 1).any()


def test_points_are_green_and_red_where_they_were_placed(workspace, red, phantom):
    image = phantom[1]
    workspace.controller.auto_accept = False
    before = red.picture()
    prompt(workspace, PointPrompt(BESIDE, positive=False))
    found = mean_color(red, red.picture(), image, BESIDE) - mean_color(red, before, image, BESIDE)
    assert found[0] > 60 > abs(found[1])
    workspace.controller.discard_preview()
    workspace.segments.node.GetDisplayNode().SetVisibility(False)
    prompt(workspace, PointPrompt(ON_LESION))
    workspace.controller.accept_preview()
    found = mean_color(red, red.picture(), image, ON_LESION) - mean_color(red, before, image, ON_LESION)
    assert found[1] > 40 > found[0]
