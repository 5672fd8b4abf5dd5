"""Sixty actions of a person on the real scene end where the headless core ends, through saving, closing and loading."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import slicer
from DFQSAMSlicerLib.canvas import Canvas
from DFQSAMSlicerLib.controller import Controller
from DFQSAMSlicerLib.saved_session import load_session, store_session
from DFQSAMSlicerLib.scene import SegmentScene, new_segmentation
from DFQSAMSlicerLib.volume_node import read_volume_node
from DFQSAMSlicerLib.worker import Worker

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import BoxPrompt, PointPrompt, PropagationConfig, SliceKey, VolumeSession, propagate
from Testing.core.volume.conftest import MODEL, GreyPredictor

from .test_controller import WINDOW, settle

SHAPE_IJK = (14, 12, 9)
ANYWHERE = PropagationConfig(min_predicted_iou=0, min_overlap=0, max_area_ratio=1000, min_stability=0)


def save_and_reload(world, segments, folder):
    """Close the scene and load it from its files; returns the volume and segmentation nodes of the new one."""
    scene = world.scene
    scene.SetRootDirectory(str(folder))
    for node in [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]:
        if node.IsA("vtkMRMLStorableNode") and node.GetSaveWithScene() and not node.IsA("vtkMRMLColorNode"):
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
            if storage is not None:
                storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
                assert storage.WriteData(node)
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    names = segments.volume_node.GetName(), segments.node.GetName()
    scene.Clear(0)
    assert segments.node.GetScene() is None
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Import(None)
    return tuple(scene.GetFirstNodeByName(name) for name in names)


def random_prompt(rng):
    axis = "IJK"[rng.integers(3)]
    a, b = rng.integers(0, SHAPE_IJK, (2, 3)).tolist()
    b["IJK".index(axis)] = a["IJK".index(axis)]
    if rng.random() < 0.4:
        return BoxPrompt.from_corners(tuple(a), tuple(b), axis)
    return PointPrompt(tuple(a), bool(rng.random() < 0.7), axis)


def add_headless(session, label, prompt):
    session.add_prompt(label, prompt)


def test_sixty_actions_end_where_the_headless_core_ends(world, a_volume_node, tmp_path):
    rng, worker = np.random.default_rng(11), Worker()
    volume_bytes = hashlib.sha256(read_volume_node(a_volume_node).voxels_kji.tobytes()).hexdigest()
    # Overlap is allowed, as in the core's sessions, where each segment keeps its own masks.
    editor = slicer.vtkMRMLSegmentEditorNode()
    editor.SetSingletonTag("SegmentEditor")
    editor.SetOverwriteMode(editor.OverwriteNone)
    world.scene.AddNode(editor)
    segments = SegmentScene(a_volume_node, new_segmentation(a_volume_node, "Organs"))
    ids = [segments.add_segment("liver"), segments.add_segment("spleen")]
    volume = read_volume_node(a_volume_node)
    session, headless = (
        VolumeSession(volume, MODEL, WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor()) for _ in range(2)
    )
    for label in (1, 2):
        headless.add_segment(label, ids[label - 1])
    controller = Controller(Canvas(session, segments), worker)
    for n in ids:
        controller.canvas.label(n)
    done = {"prompt": 0, "undo": 0, "redo": 0, "propagate": 0}
    for action in range(60):
        label = int(rng.integers(1, 3))
        kind = rng.choice(list(done), p=[0.6, 0.2, 0.1, 0.1])
        if kind == "prompt":
            prompt = random_prompt(rng)
            controller.add_prompt(ids[label - 1], prompt)
            headless.add_prompt(label, prompt)
        elif kind == "propagate":
            prompted = headless.prompted_slices(label, "K")
            if not prompted:
                continue
            first, last = max(prompted[0] - 2, 0), min(prompted[-1] + 2, 8)
            controller.propagate(ids[label - 1], "K", first, last, ANYWHERE)
            propagate(headless, label, "K", first, last, ANYWHERE)
        else:
            getattr(controller, kind)()
            getattr(headless, kind)()
        settle(controller, worker)
        done[kind] += 1
        if action in (25, 45):
            store_session(controller.canvas.session, segments.node)
            controller.close()
            volume_node, node = save_and_reload(world, segments, tmp_path)
            segments, volume = SegmentScene(volume_node, node), read_volume_node(volume_node)
            session = load_session(node, volume, MODEL, GreyPredictor())
            controller = Controller(Canvas(session, segments), worker)
            # A file holds no undo history; the headless session forgets its own in the same way.
            headless._done.clear()
            headless._undone.clear()
    worker.close()
    assert min(done.values()) >= 3
    assert sum(done.values()) >= 55
    for label, segment_id in enumerate(ids, 1):
        for index in range(9):
            key = SliceKey("K", index)
            np.testing.assert_array_equal(segments.read(segment_id, key), headless.region(label, key))
        assert controller.canvas.session.slices_of(label) == headless.slices_of(label)
    assert any(headless.region(1, SliceKey("K", index)).any() for index in range(9))
    voxels = read_volume_node(segments.volume_node).voxels_kji
    assert hashlib.sha256(voxels.tobytes()).hexdigest() == volume_bytes
