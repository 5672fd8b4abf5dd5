"""The embedded 4-bit model on the embedded CT, read and written by Slicer, gives what the command line gives."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core import load_model
from dfqsam_core.resources import DEMO_MODEL, DEMO_PROMPTS, DEMO_VOLUME, resource_path
from dfqsam_core.volume import VolumeSession, read_prompts, read_volume, segment_volume
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.controller import Controller
from dfqsam_scene.prompting.segment_writer import SegmentWriter
from Testing.support.finished import settle
from Testing.support.phantom import PARENT
from Testing.support.segmentations import saved


def test_the_module_and_the_command_line_give_the_same_voxels(world, worker, tmp_path):
    model = load_model(resource_path(DEMO_MODEL), threads=1)
    volume = read_volume(resource_path(DEMO_VOLUME))
    prompts = read_prompts(resource_path(DEMO_PROMPTS), volume.geometry)
    expected = segment_volume(volume, prompts, model).labels_kji
    node = world.read_volume(resource_path(DEMO_VOLUME), "CT")
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    segments = SegmentScene(node, new_segmentation(node, "Organs"))
    controller = Controller(SegmentWriter(VolumeSession(read_volume_node(node), model), segments), worker)
    for segment in prompts:
        segment_id = segments.add_segment(segment.name)
        for prompt in segment.prompts:
            controller.add_prompt(segment_id, prompt)
            settle(worker, controller.deliver)
            assert not controller.is_error, controller.message
    found, image = saved(segments, tmp_path / "organs.seg.nrrd")
    assert len(found) == len(prompts) == 5
    for segment in prompts:
        np.testing.assert_array_equal(found[segment.name], expected == segment.label)
        assert found[segment.name].any()
    np.testing.assert_allclose(
        image.GetOrigin()[:3], sitk.ReadImage(str(resource_path(DEMO_VOLUME))).GetOrigin(), atol=1e-3
    )
