"""The embedded 4-bit model on the embedded CT, by the mouse in the axial view."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_core import load_model
from dfqsam_core.resources import DEMO_LABELS, DEMO_MODEL, DEMO_VOLUME, resource_path
from dfqsam_core.volume import SliceKey, read_volume
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node, world_from_ijk
from dfqsam_scene.prompting.window_texts import window_of
from dfqsam_scene.prompting.workspace import Workspace
from Testing.support.phantom import PARENT
from Testing.support.slice_views import around, differing

INDEX = 15
COLOR = (0.9, 0.2, 0.2)


def test_two_corners_of_a_box_segment_the_largest_organ_where_the_picture_shows_it(world, worker, placing, tmp_path):
    node = world.read_volume(resource_path(DEMO_VOLUME), "CT")
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    world.show(node)
    truth = read_volume(resource_path(DEMO_LABELS)).voxels_kji[INDEX]
    label = np.bincount(truth[truth > 0]).argmax()
    rows, columns = np.nonzero(truth == label)
    view = world.views["Red"]
    view.go_to(world_from_ijk(node, ((columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2, INDEX)))
    before = view.picture()
    model = load_model(resource_path(DEMO_MODEL), threads=1)
    workspace = Workspace(
        node, new_segmentation(node, "Organs"), model, worker, window_of("auto", read_volume_node(node))
    )
    workspace.encode_ahead(False)
    workspace.segment_id = workspace.segments.add_segment("organ")
    workspace.segments.node.GetSegmentation().GetSegment(workspace.segment_id).SetColor(*COLOR)
    placing.begin(workspace.markups.nodes["box"])
    for corner in ((columns.min(), rows.min(), INDEX), (columns.max(), rows.max(), INDEX)):
        view.click(view.pixel(world_from_ijk(node, corner)))
        assert workspace.finish()
    placing.end()
    view.leave()
    assert not workspace.controller.is_error, workspace.controller.message
    mask = workspace.segments.read(workspace.segment_id, SliceKey("K", INDEX))
    assert 2 * (mask & (truth == label)).sum() / (mask.sum() + (truth == label).sum()) > 0.8
    changed = differing(before, view.picture(tmp_path / "organ.png"))
    places = [view.pixel(world_from_ijk(node, (i, j, INDEX))) for j, i in np.argwhere(mask)]
    seen = [bool(around(changed[..., None], place, 0).all()) for place in places]
    assert np.mean(seen) > 0.95
    workspace.close()
