"""The session that a scene is saved with is the latest one, in whatever order Slicer writes its files."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core.volume import PointPrompt, SliceKey, Volume, VolumeSession
from dfqsam_core.volume.session.session import SliceState
from dfqsam_scene.nodes.saved_session import load_session, store_session
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import read_volume_node
from dfqsam_scene.prompting.choice import Choice
from dfqsam_scene.prompting.workspace_loader import WorkspaceLoader
from Testing.support.finished import settle
from Testing.support.grey_predictor import MODEL, GreyPredictor

FIRST, SECOND = PointPrompt((7, 5, 4)), PointPrompt((3, 3, 2))


@pytest.fixture
def organs(a_volume_node):
    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    return node


def test_it_lies_in_the_file_of_the_scene_which_is_written_last(world, a_volume_node, organs, tmp_path):
    volume, scene = read_volume_node(a_volume_node), world.scene
    session = VolumeSession(volume, MODEL, "600,200", predictor=GreyPredictor())
    session.add_segment(1, "liver")
    session.restore_state(1, FIRST.slice, SliceState((FIRST,)))
    node = store_session(session, organs)
    # As Slicer does it: first the files of nodes, where they have one, then the event, then the scene.
    node.AddDefaultStorageNode()
    assert node.GetStorageNode() is None
    session.restore_state(1, SECOND.slice, SliceState((SECOND,)))
    store_session(session, organs)
    scene.SetRootDirectory(str(tmp_path))
    organs.SetSaveWithScene(False)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    text = node.GetText()
    scene.RemoveNode(node)
    assert load_session(organs, volume, MODEL, GreyPredictor()) is None
    assert scene.Import(None)
    loaded = scene.GetFirstNodeByName(node.GetName())
    assert loaded.GetText().strip() == text.strip()


def test_the_digest_of_a_volume_is_computed_in_the_workers_thread_and_once(
    worker, a_volume_node, organs, model_file, monkeypatch
):
    threads, digest = [], Volume.digest.func

    def noted(volume):
        threads.append(threading.current_thread())
        return digest(volume)

    monkeypatch.setattr(Volume.digest, "func", noted)
    loader = WorkspaceLoader(worker, lambda: None)
    for _ in range(2):
        loader.choose(Choice(a_volume_node, organs, model_file, "auto"), again=True)
        settle(worker, worker.deliver)
        loader.workspace.controller.writer.remember("liver", FIRST)
        loader.workspace.leave()
        assert load_session(organs, read_volume_node(a_volume_node), loader.model) is not None
    assert threads == [worker._thread]
    loader.close()


def test_a_session_of_voxels_that_were_changed_since_is_not_continued(worker, a_volume_node, organs, model_file):
    loader = WorkspaceLoader(worker, lambda: None)
    choice = Choice(a_volume_node, organs, model_file, "auto")
    loader.choose(choice)
    settle(worker, worker.deliver)
    loader.workspace.controller.writer.remember("liver", FIRST)
    before = read_volume_node(a_volume_node)
    assert read_volume_node(a_volume_node) is before
    scalars = a_volume_node.GetImageData().GetPointData().GetScalars()
    scalars.SetTuple1(0, 1234)
    scalars.Modified()
    assert read_volume_node(a_volume_node) is not before
    loader.close()
    loader.choose(choice)
    settle(worker, worker.deliver)
    assert "another volume" in loader.workspace.notice
    loader.close()


def test_a_scene_that_is_closed_is_given_no_session(world, worker, a_volume_node, organs, model_file):
    loader, added = WorkspaceLoader(worker, lambda: None), []
    # As a panel does it, which listened to the scene before a workspace was there.
    tags = [
        world.scene.AddObserver(world.scene.StartCloseEvent, lambda *_: loader.close()),
        world.scene.AddObserver(world.scene.NodeAddedEvent, lambda *_: added.append(world.scene.IsClosing())),
    ]
    loader.choose(Choice(a_volume_node, organs, model_file, "auto"))
    settle(worker, worker.deliver)
    loader.workspace.controller.writer.remember("liver", FIRST)
    world.scene.Clear(0)
    assert added
    assert not any(added)
    for tag in tags:
        world.scene.RemoveObserver(tag)


def test_slices_and_prompts_come_back(a_volume_node, organs):
    volume = read_volume_node(a_volume_node)
    session = VolumeSession(volume, MODEL, "600,200", predictor=GreyPredictor())
    session.add_segment(1, "liver")
    session.add_prompt(1, FIRST)
    store_session(session, organs)
    again = load_session(organs, volume, MODEL, GreyPredictor())
    assert again.slices_of(1) == [SliceKey("K", 4)]
    assert (again.mask(1, FIRST.slice) == session.mask(1, FIRST.slice)).all()
