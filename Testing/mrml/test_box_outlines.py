"""Boxes on the real scene: where they are drawn, under the transforms, and what is left of them afterwards."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import BoxPrompt
from dfqsam_scene.nodes.outlines import PromptOutlines, corners_ijk
from dfqsam_scene.nodes.volume_node import ijk_from_world

AXIAL, SAGITTAL = BoxPrompt((2, 3, 4), (9, 8, 4)), BoxPrompt((7, 1, 2), (7, 5, 6), "I")


def curves(world):
    scene = world.scene
    kind = "vtkMRMLMarkupsClosedCurveNode"
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]


def test_the_ring_runs_around_the_outer_voxels():
    np.testing.assert_array_equal(corners_ijk(AXIAL), [[1.5, 2.5, 4], [9.5, 2.5, 4], [9.5, 8.5, 4], [1.5, 8.5, 4]])
    np.testing.assert_array_equal(corners_ijk(SAGITTAL), [[7, 0.5, 1.5], [7, 5.5, 1.5], [7, 5.5, 6.5], [7, 0.5, 6.5]])


def test_outlines_lie_on_their_voxels_through_all_transforms(world, a_volume_node):
    PromptOutlines(a_volume_node).show([AXIAL, SAGITTAL])
    for node, box in zip(curves(world), (AXIAL, SAGITTAL), strict=True):
        drawn = np.zeros((4, 3))
        for n in range(4):
            node.GetNthControlPointPositionWorld(n, drawn[n])
        np.testing.assert_allclose(ijk_from_world(a_volume_node, drawn), corners_ijk(box), atol=1e-6)


def test_they_are_ours_alone_and_go_when_their_box_goes(world, a_volume_node):
    outlines = PromptOutlines(a_volume_node)
    outlines.show([AXIAL, SAGITTAL, AXIAL])
    nodes = curves(world)
    assert len(nodes) == 2
    assert all(node.GetHideFromEditors() and node.GetLocked() and not node.GetSaveWithScene() for node in nodes)
    outlines.show([SAGITTAL])
    assert curves(world) == nodes[1:]
    world.scene.RemoveNode(nodes[1])
    outlines.show([SAGITTAL])
    assert len(curves(world)) == 1
    outlines.show([])
    assert curves(world) == []


def test_many_are_drawn_and_taken_away_with_pauses_and_the_last_wish_counts(world, a_volume_node, monkeypatch):
    monkeypatch.setattr("dfqsam_scene.nodes.outlines._HOLD_SECONDS", -1)
    turns = []
    outlines = PromptOutlines(a_volume_node, turns.append)
    boxes = [BoxPrompt((2, 3, k), (9, 8, k)) for k in range(4)]
    outlines.show(boxes)
    assert (len(curves(world)), len(turns)) == (1, 1)
    outlines.show(boxes[1:])
    assert (len(curves(world)), len(turns)) == (1, 1), "the turn that waits serves the new wish"
    while turns:
        turns.pop()()
    assert list(outlines.nodes) == boxes[1:]
    assert len(curves(world)) == 3
    outlines.show([])
    assert len(curves(world)) == 2
    outlines.close()
    assert curves(world) == []
    turns.pop()()
    assert curves(world) == []
