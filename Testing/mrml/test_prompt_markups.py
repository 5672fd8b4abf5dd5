"""Real control points and their events, on the oblique volume under its transform."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, PointPrompt
from dfqsam_scene.nodes.markups import PromptEvents, PromptMarkups
from dfqsam_scene.nodes.volume_node import world_from_ijk
from Testing.support.mrml_scene import vtk_matrix


class Heard:
    """What the markups said, as a panel hears it in which the segment "s" is chosen."""

    def __init__(self, volume_node):
        self.prompts, self.refusals, self.segment_id = [], [], "s"
        events = PromptEvents(self.segment, self.added, self.removed, self.refusals.append)
        self.markups = PromptMarkups(volume_node, events)

    def segment(self):
        if self.segment_id is None:
            raise PromptError("No segment is chosen.")
        return self.segment_id

    def added(self, segment_id, prompt):
        self.prompts.append((segment_id, prompt))
        self.markups.show(self.prompts)

    def removed(self, segment_id, prompt):
        self.prompts.remove((segment_id, prompt))


@pytest.fixture
def heard(a_volume_node):
    return Heard(a_volume_node)


def click(heard, volume_node, role, ijk):
    heard.markups.nodes[role].AddControlPointWorld(world_from_ijk(volume_node, ijk).tolist())


def world_positions(node):
    return np.array([node.GetNthControlPointPositionWorld(n) for n in range(node.GetNumberOfControlPoints())])


def test_a_placed_point_is_a_prompt_on_the_nearest_voxel_and_moves_to_its_centre(heard, a_volume_node):
    click(heard, a_volume_node, "positive", (7.3, 4.8, 3.6))
    click(heard, a_volume_node, "negative", (0, 11, 8))
    assert heard.prompts == [("s", PointPrompt((7, 5, 4))), ("s", PointPrompt((0, 11, 8), positive=False))]
    for role, ijk in (("positive", (7, 5, 4)), ("negative", (0, 11, 8))):
        positions = world_positions(heard.markups.nodes[role])
        np.testing.assert_allclose(positions, [world_from_ijk(a_volume_node, ijk)], atol=1e-6)


@pytest.mark.parametrize(("orientation", "axis"), [("Sagittal", "I"), ("Coronal", "J"), ("Axial", "K")])
def test_the_slice_is_that_of_the_view_under_the_mouse(world, heard, a_volume_node, orientation, axis):
    view = world.slice_view(orientation)
    crosshair = world.scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionXYZ([1.0, 1.0, 0.0], view)
    click(heard, a_volume_node, "positive", (7, 5, 4))
    assert heard.prompts == [("s", PointPrompt((7, 5, 4), axis=axis))]


def test_two_clicks_make_a_box_in_any_order(heard, a_volume_node):
    for corners in [((9, 3, 4), (2, 8, 4)), ((2.2, 7.9, 4.1), (9.3, 3.2, 3.9))]:
        for corner in corners:
            click(heard, a_volume_node, "box", corner)
        assert heard.prompts.pop() == ("s", BoxPrompt((2, 3, 4), (9, 8, 4)))
        assert heard.markups.nodes["box"].GetNumberOfControlPoints() == 0
    assert heard.prompts == []


def test_removing_a_point_takes_its_prompt_back(heard, a_volume_node):
    for ijk in ((7, 5, 4), (3, 3, 3), (8, 8, 8)):
        click(heard, a_volume_node, "positive", ijk)
    heard.markups.nodes["positive"].RemoveNthControlPoint(1)
    assert [prompt.ijk for _, prompt in heard.prompts] == [(7, 5, 4), (8, 8, 8)]


def test_moving_a_point_moves_its_prompt(heard, a_volume_node):
    click(heard, a_volume_node, "positive", (7, 5, 4))
    node = heard.markups.nodes["positive"]
    node.SetNthControlPointPositionWorld(0, world_from_ijk(a_volume_node, (6, 5, 4)).tolist())
    node.InvokeEvent(slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent)
    assert heard.prompts == [("s", PointPrompt((6, 5, 4)))]


def test_a_click_outside_the_volume_is_refused_and_its_point_removed(heard, a_volume_node):
    click(heard, a_volume_node, "positive", (7, 5, 40))
    assert heard.prompts == []
    assert "outside the volume" in str(heard.refusals[0])
    assert heard.markups.nodes["positive"].GetNumberOfControlPoints() == 0
    click(heard, a_volume_node, "positive", (7, 5, 4))
    assert len(heard.prompts) == 1


def test_showing_other_prompts_says_nothing(heard, a_volume_node):
    heard.markups.show([("a", PointPrompt((1, 2, 3))), ("b", PointPrompt((4, 5, 6), False, "I"))])
    assert heard.prompts == []
    np.testing.assert_allclose(
        world_positions(heard.markups.nodes["negative"]), [world_from_ijk(a_volume_node, (4, 5, 6))], atol=1e-6
    )
    heard.markups.show([])
    assert heard.markups.nodes["positive"].GetNumberOfControlPoints() == 0


def test_saved_prompts_are_found_again_in_the_same_nodes(heard, a_volume_node, world):
    prompts = [
        ("a", PointPrompt((1, 2, 3))),
        ("b", PointPrompt((4, 5, 6), axis="I")),
        ("a", PointPrompt((0, 0, 0), False)),
    ]
    heard.markups.show(prompts)
    heard.markups.close()
    click(heard, a_volume_node, "positive", (2, 2, 2))
    count = world.scene.GetNumberOfNodes()
    again = Heard(a_volume_node)
    assert world.scene.GetNumberOfNodes() == count
    assert again.markups.shown() == prompts


def test_without_a_segment_the_point_is_removed_again(heard, a_volume_node):
    heard.segment_id = None
    click(heard, a_volume_node, "positive", (7, 5, 4))
    assert heard.markups.nodes["positive"].GetNumberOfControlPoints() == 0


def test_a_point_that_is_being_placed_is_left_alone(heard, a_volume_node):
    node = heard.markups.nodes["positive"]
    heard.markups.close()
    node.AddNControlPoints(1, "", [0.0, 0.0, 0.0])
    node.SetNthControlPointPosition(0, 0.0, 0.0, 0.0, node.PositionPreview)
    heard.markups.show([("a", PointPrompt((1, 2, 3)))])
    heard.markups.show([])
    assert [node.GetNthControlPointPositionStatus(n) for n in range(node.GetNumberOfControlPoints())] == [
        node.PositionPreview
    ]


def test_a_registration_moves_the_prompts_with_the_volume(heard, a_volume_node):
    click(heard, a_volume_node, "positive", (7, 5, 4))
    matrix = np.eye(4)
    matrix[:3, 3] = 10, 20, 30
    a_volume_node.GetParentTransformNode().SetMatrixTransformToParent(vtk_matrix(matrix))
    positions = world_positions(heard.markups.nodes["positive"])
    np.testing.assert_allclose(positions, [world_from_ijk(a_volume_node, (7, 5, 4))], atol=1e-6)
