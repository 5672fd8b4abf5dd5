"""A packed model against its float original on segments of the scene: real scene, real child process."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.evaluate import compare_models
from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume import SliceKey
from dfqsam_scene.jobs.comparison import ComparisonJob
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.finished import wait_for
from Testing.support.packed import packed_toy


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A packed model and a float one."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "packed.safetensors", packed_toy())
    return folder / "packed.safetensors", write_toy_checkpoint(folder)


@pytest.fixture
def own_temporary_folder(tmp_path, monkeypatch):
    """Where the job keeps its copies."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def masks_of_phantom(volume):
    """Two structures of known voxels, which do not overlap."""
    bright = volume.voxels_kji > 150
    corner = np.zeros_like(bright)
    corner[2:6, 1:4, 1:5] = True
    return {"ellipsoid": bright, "corner": corner & ~bright}


@pytest.fixture
def segments(a_volume_node):
    """Both structures as segments."""
    scene = SegmentScene(a_volume_node, new_segmentation(a_volume_node, "Truth"))
    for name, mask in masks_of_phantom(read_volume_node(a_volume_node)).items():
        segment_id = scene.add_segment(name)
        for k in range(mask.shape[0]):
            scene.write(segment_id, SliceKey("K", k), mask[k])
    return scene


def run(job, worker):
    """Tick as the panel's timer does, until it has ended."""

    def is_over():
        worker.deliver()
        job.poll()
        return job.state != "running"

    wait_for(is_over)
    return job


def wait_for_progress(job, worker):
    """Tick until the child compares."""
    wait_for(lambda: (worker.deliver(), job.poll(), job.progress is not None)[2])


@pytest.fixture
def endless_python(tmp_path):
    """A Python that does what it is asked to, and then does not end: no test can come too late to meet it running."""
    path = tmp_path / "endless-python"
    path.write_text(f"#!/bin/sh\n'{sys.executable}' \"$@\"\nsleep 3600\n")
    path.chmod(0o755)
    return str(path)


def test_the_numbers_are_those_of_dfqsam_verify_on_the_same_voxels(
    a_volume_node, phantom_file, segments, models, worker, own_temporary_folder, tmp_path
):
    volume = read_volume_node(a_volume_node)
    job = run(ComparisonJob(volume, segments, *models, worker), worker)
    assert (job.state, [row["prompt"] for row in job.rows]) == ("done", ["box", "1pt", "3pt"]), job.message
    assert list(own_temporary_folder.iterdir()) == []
    (tmp_path / "data").mkdir()
    original = sitk.ReadImage(str(phantom_file))
    sitk.WriteImage(original, str(tmp_path / "data" / "image.nrrd"))
    for number, mask in enumerate(masks_of_phantom(volume).values(), start=1):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.CopyInformation(original)
        sitk.WriteImage(image, str(tmp_path / "data" / f"label_{number:03d}.nrrd"))
    expected = compare_models(*models, [tmp_path / "data"], ("box", "1pt", "3pt"))["rows"]
    assert expected[0]["objects"] == 5
    assert job.rows == expected


def test_a_scene_closed_meanwhile_changes_nothing(world, a_volume_node, segments, models, worker, own_temporary_folder):
    job = ComparisonJob(read_volume_node(a_volume_node), segments, *models, worker)

    def is_comparing():
        job.poll()
        worker.deliver()
        return job._child is not None

    wait_for(is_comparing)
    # Nothing has been heard of the child yet, so it counts as running.
    assert job.state == "running"
    world.scene.Clear(0)
    assert run(job, worker).state == "done"
    assert len(job.rows) == 3


def test_a_segmentation_deleted_while_it_is_copied_is_a_sentence(
    world, a_volume_node, segments, models, worker, own_temporary_folder
):
    job = ComparisonJob(read_volume_node(a_volume_node), segments, *models, worker)
    world.scene.RemoveNode(segments.node)
    run(job, worker)
    assert job.state == "failed"
    assert "There is no segmentation" in job.message
    assert list(own_temporary_folder.iterdir()) == []


def test_nothing_to_compare_with_is_a_sentence(a_volume_node, models, worker, own_temporary_folder):
    scene, volume = (
        SegmentScene(a_volume_node, new_segmentation(a_volume_node, "Empty")),
        read_volume_node(a_volume_node),
    )
    with pytest.raises(DFQSAMError, match="has no segment"):
        ComparisonJob(volume, scene, *models, worker)
    scene.add_segment("nothing")
    job = run(ComparisonJob(volume, scene, *models, worker), worker)
    assert (job.state, job.message[:24]) == ("failed", "All segments are empty. ")
    assert list(own_temporary_folder.iterdir()) == []


def test_a_reference_that_is_no_model_is_a_sentence(a_volume_node, segments, models, worker, tmp_path):
    wrong = Path(tmp_path / "wrong.pth")
    wrong.write_text("hello")
    job = run(ComparisonJob(read_volume_node(a_volume_node), segments, models[0], wrong, worker), worker)
    assert job.state == "failed"
    assert "wrong.pth" in job.message


def test_cancelling_leaves_nothing(a_volume_node, segments, models, worker, own_temporary_folder, endless_python):
    volume = read_volume_node(a_volume_node)
    job = ComparisonJob(volume, segments, *models, worker)
    job.cancel()
    assert job.state == "cancelled"
    second = ComparisonJob(volume, segments, *models, worker, python=endless_python)
    wait_for_progress(second, worker)
    second.cancel()
    assert run(second, worker).state == "cancelled"
    assert list(own_temporary_folder.iterdir()) == []


def test_closing_leaves_nothing_although_nobody_polls_any_more(
    a_volume_node, segments, models, worker, own_temporary_folder, endless_python
):
    job = ComparisonJob(read_volume_node(a_volume_node), segments, *models, worker, python=endless_python)
    wait_for_progress(job, worker)
    assert list(own_temporary_folder.iterdir()) != []
    job.close()
    assert job.state == "cancelled"
    assert list(own_temporary_folder.iterdir()) == []
    wait_for(lambda: (job._child.poll(), job._child.exit_code is not None)[1])


def test_a_python_that_is_not_there_is_a_sentence(a_volume_node, segments, models, worker, own_temporary_folder):
    job = run(ComparisonJob(read_volume_node(a_volume_node), segments, *models, worker, python="/no/python"), worker)
    assert (job.state, "cannot be started" in job.message) == ("failed", True)
    assert list(own_temporary_folder.iterdir()) == []
