"""A 3D view shows no slice, so no prompt is placed there, however it is clicked or turned."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from Testing.support.phantom import world_of

CENTRE = (15, 18, 14)


def turn_and_click(mouse, image):
    """Let a 3D view look at the middle of the volume, click there, then turn it with the left button."""
    centre = world_of(image, CENTRE)
    camera = mouse.view.renderer().GetActiveCamera()
    camera.SetFocalPoint(*centre)
    camera.SetPosition(*np.add(centre, (0, 300, 0)))
    camera.SetViewUp(0, 0, 1)
    mouse.picture()
    mouse.click((200, 150))
    mouse.drag((200, 150), (215, 160))


@pytest.mark.parametrize("role", ["positive", "negative", "box"])
def test_clicking_and_turning_a_3d_view_with_a_tool_places_nothing(world, workspace, tool, phantom, role):
    tool.choose(role)
    turn_and_click(world.three_d, phantom[1])
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert workspace.markups.nodes[role].GetNumberOfDefinedControlPoints() == 0
    assert tool.wanted == role
    viewport = world.views["Red"]
    viewport.go_to(world_of(phantom[1], CENTRE))
    # A box of fewer than 3 voxels a side would be refused.
    for place in (CENTRE, np.add(CENTRE, 3)) if role == "box" else (CENTRE,):
        viewport.click(viewport.pixel(world_of(phantom[1], place)))
    assert workspace.finish()
    assert len(workspace.controller.all_prompts()) == 1, "in a slice view the tool still places"


@pytest.mark.parametrize("role", ["positive", "box"])
def test_what_a_3d_view_places_all_the_same_is_refused_in_a_sentence(world, workspace, tool, phantom, role):
    node = workspace.markups.nodes[role]
    # As if somebody had let the prompts be shown there.
    node.GetDisplayNode().SetViewNodeIDs([])
    tool.choose(role)
    turn_and_click(world.three_d, phantom[1])
    assert workspace.finish()
    assert workspace.controller.all_prompts() == {}
    assert "a 3D view shows no slice" in workspace.controller.message
    assert node.GetNumberOfDefinedControlPoints() == 0


def test_a_slice_view_that_is_opened_later_shows_prompts(world, workspace):
    later = world.slice_view("Coronal")
    display = workspace.markups.nodes["positive"].GetDisplayNode()
    assert later.GetID() in display.GetViewNodeIDs()
    assert world.three_d.node.GetID() not in display.GetViewNodeIDs()
    world.scene.RemoveNode(later)
