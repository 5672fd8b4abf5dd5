"""How a model was trained is asked for where nothing tells it, and decides what can be prompted; on the real scene."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_core import load_model
from dfqsam_core.errors import ConfigError, PromptError
from dfqsam_core.progress import Cancelled, Progress, heard_by
from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey
from dfqsam_scene.nodes.segments import new_segmentation
from dfqsam_scene.nodes.volume_node import world_from_ijk
from dfqsam_scene.prompting.model_fit import PUT_OFF
from dfqsam_scene.prompting.prompting import FrontEnd, Prompting
from dfqsam_scene.prompting.verbs import Verbs
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.finished import settle
from Testing.support.toy import random_tensors, toy_architecture

K4 = SliceKey("K", 4)
BOX = BoxPrompt((2, 2, 4), (12, 10, 4))
NOT_BOXES = ("positive", "negative", "scribble", "scribble_out", "lasso", "lasso_out")


@pytest.fixture
def sam_file(tmp_path):
    """A checkpoint of 1024-pixel images without adapters, as SAM's and MedSAM's."""
    architecture = replace(toy_architecture(adapter_dim=0), image_size=1024, patch_size=32)
    save_file(random_tensors(architecture, 0), tmp_path / "sam.safetensors")
    return tmp_path / "sam.safetensors"


@pytest.fixture
def room(world, a_volume_node):
    """Prompting on the phantom with one segment."""
    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    found = Prompting(FrontEnd())
    found.begin(world.scene)
    found.choose(volume_node=a_volume_node, segmentation_node=node, segment_id="liver")
    yield found
    found.close()


def use(room, path, conventions=""):
    """Choose a model, and wait until it is there."""
    Verbs(room).change_model(path, conventions)
    settle(room.worker, room.tick)


def test_a_file_that_does_not_tell_is_asked_for_and_runs_when_it_was_said(room, sam_file):
    use(room, sam_file)
    state = room.state()
    assert (room.workspace, state.training.is_asked, state.is_error) == (None, True, True)
    assert "files of SAM and of MedSAM have the same tensors" in state.message
    with pytest.raises(ConfigError, match="no conventions 'unet'"):
        Verbs(room).change_conventions("unet")
    Verbs(room).change_conventions("sam")
    settle(room.worker, room.tick)
    state = room.state()
    assert room.workspace.model.conventions.name == "sam"
    assert (state.training.is_asked, state.training.conventions, state.training.refused_tools) == (False, "sam", ())
    Verbs(room).change_conventions("medsam")
    settle(room.worker, room.tick)
    assert room.workspace.model.conventions.name == "medsam"


def test_another_file_has_to_be_asked_for_anew(room, sam_file, model_file, tmp_path):
    use(room, sam_file, "sam")
    assert room.workspace.model.conventions.name == "sam"
    use(room, model_file)
    assert (room.choice.conventions, room.workspace.model.conventions.name) == ("", "sam-med2d")
    use(room, sam_file)
    assert room.state().training.is_asked


def test_a_model_of_boxes_alone_puts_other_tools_down_and_says_why(room, model_file, tmp_path):
    use(room, model_file)
    Verbs(room).choose_tool("positive")
    use(room, write_toy_checkpoint(tmp_path), "medsam")
    state = room.state()
    assert state.tool == ""
    assert state.message.startswith("MedSAM was trained with boxes alone, not with masks and points. Draw a box")
    assert (state.training.refused_tools, state.training.can_refine) == (NOT_BOXES, False)
    for role in NOT_BOXES:
        with pytest.raises(PromptError, match="MedSAM was trained with boxes alone"):
            Verbs(room).choose_tool(role)
    assert room.tool == ""


def test_a_box_is_answered_even_where_refining_is_switched_on(room, tmp_path, a_volume_node):
    use(room, write_toy_checkpoint(tmp_path), "medsam")
    room.choose(refine=True)
    for corners in (((2, 2, 4), (12, 10, 4)), ((3, 2, 4), (12, 10, 4))):
        Verbs(room).choose_tool("box")
        for corner in corners:
            room.place_tool.place_mode.node.AddControlPointWorld(world_from_ijk(a_volume_node, corner).tolist())
        settle(room.worker, room.tick)
        assert not room.state().is_error
    assert np.isnan(room.workspace.controller.prediction("liver", K4).predicted_iou).all()


def test_prompts_of_another_model_are_refused_in_a_sentence_and_nothing_changes(
    room, model_file, tmp_path, a_volume_node
):
    use(room, model_file)
    Verbs(room).choose_tool("positive")
    room.place_tool.place_mode.node.AddControlPointWorld(world_from_ijk(a_volume_node, (7, 5, 4)).tolist())
    settle(room.worker, room.tick)
    before = room.workspace.segments.read("liver", K4).copy()
    use(room, write_toy_checkpoint(tmp_path), "medsam")
    Verbs(room).choose_tool("box")
    for corner in ((2, 2, 4), (12, 10, 4)):
        room.place_tool.place_mode.node.AddControlPointWorld(world_from_ijk(a_volume_node, corner).tolist())
    settle(room.worker, room.tick)
    assert room.state().is_error
    assert "clear the slice of what else it has" in room.state().message
    np.testing.assert_array_equal(room.workspace.segments.read("liver", K4), before)


def test_what_another_model_was_asked_is_cleared_as_the_sentence_says(room, model_file, tmp_path):
    use(room, model_file)
    controller = room.workspace.controller
    for ijk in ((7, 5, 4), (6, 5, 4)):
        controller.add_prompt("liver", PointPrompt(ijk))
    settle(room.worker, room.tick)
    use(room, write_toy_checkpoint(tmp_path), "medsam")
    room.workspace.controller.clear_slice("liver", K4)
    room.workspace.controller.add_prompt("liver", BOX)
    settle(room.worker, room.tick)
    assert not room.state().is_error
    assert room.workspace.prompts() == {("liver", K4): (BOX,)}


def test_work_on_many_slices_goes_on_when_a_prompt_is_refused_meanwhile(room, tmp_path):
    use(room, write_toy_checkpoint(tmp_path), "medsam")
    controller = room.workspace.controller
    boxes = tuple(BoxPrompt((2, 2, k), (12, 10, k)) for k in range(2, 8))
    controller.prompt_boxes("liver", boxes, frozenset())
    controller.add_prompt("liver", PointPrompt((7, 5, 4)))
    settle(room.worker, room.tick)
    assert set(room.workspace.prompts()) == {("liver", SliceKey("K", k)) for k in range(2, 8)}
    assert room.state().message.startswith("MedSAM was trained with boxes alone")


def test_encoding_ahead_is_off_for_a_model_that_takes_seconds_until_somebody_asks(
    room, model_file, tmp_path, monkeypatch
):
    slow = write_toy_checkpoint(tmp_path)
    real = load_model

    def loaded(path, **settings):
        model = real(path, **settings)
        if path == slow:
            monkeypatch.setattr(type(model), "takes_seconds", property(lambda self: self.digest == model.digest))
        return model

    monkeypatch.setattr("dfqsam_core.load_model", loaded)
    use(room, slow)
    assert (room.choice.encode_ahead, room.state().message) == (False, str(PUT_OFF))
    room.choose(encode_ahead=True)
    settle(room.worker, room.tick)
    assert room.choice.encode_ahead
    room.choose(encode_ahead=False)
    use(room, model_file)
    assert room.choice.encode_ahead


def test_whoever_hears_a_thread_follows_the_parts_of_a_slice_and_may_stop_them(tmp_path):
    model = load_model(write_toy_checkpoint(tmp_path), threads=1)
    pixels = np.zeros((64, 64, 3), np.uint8)
    heard: list[Progress] = []
    with heard_by(heard.append):
        model.encode(pixels)
        threading.Thread(target=model.encode, args=(pixels,)).run()
        others = threading.Thread(target=model.encode, args=(pixels,))
        others.start()
        others.join()
    assert [(part.stage, part.done, part.total) for part in heard] == 2 * [("encode", n, 3) for n in range(3)]
    model.encode(pixels)
    assert len(heard) == 6

    def stop(part: Progress) -> None:
        raise Cancelled

    with heard_by(stop), pytest.raises(Cancelled):
        model.encode(pixels)
