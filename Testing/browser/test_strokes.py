"""Scribble, lasso and 3D box on the page: drawn with the real mouse, listed, changed and taken back."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.support.viewer import Person, ViewerProcess, colored_pixels

# Through and around the liver of the sample in the axial view, as shares of its width and height.
LINE = ((0.36, 0.42), (0.4, 0.5), (0.38, 0.58))
RING = ((0.3, 0.35), (0.46, 0.35), (0.46, 0.66), (0.3, 0.66))
BOX = ((0.37, 0.52), (0.47, 0.72))
# VTK's objects are not taken apart in any order: they live as long as the process.
WORLDS: list[Any] = []


def prompt(person: Person, role: str, places: Sequence[tuple[float, float]]) -> list[str]:
    """Draw with a tool, wait for the answer; what the list of prompts says."""
    before = person.state("prompts")
    person.tool(role)
    person.draw("axial", *places)
    person.wait_until(lambda: person.state("prompts") != before and not person.state("is_working"))
    assert not person.state("is_error"), person.state("message")
    return [entry["text"] for entry in person.state("prompts")]


def colored(person: Person, view: str = "axial") -> int:
    return colored_pixels(person.picture(view))


def wait_for_prompts(person: Person, count: int) -> None:
    person.wait_until(lambda: len(person.state("prompts")) == count and not person.state("is_working"))


@pytest.mark.shares_the_viewer
def test_a_scribble_and_a_lasso_with_the_mouse_segment_are_listed_and_taken_back(person: Person) -> None:
    before = colored(person)
    (scribble,) = prompt(person, "scribble", LINE)
    assert scribble.startswith("Scribble + (")
    person.wait_until(lambda: colored(person) > before + 500)
    listed = prompt(person, "lasso", RING)
    assert [text.split(" (")[0] for text in listed] == ["Scribble +", "Lasso +"]
    person.page.keyboard.press("Control+z")
    wait_for_prompts(person, 1)
    person.page.keyboard.press("Control+z")
    wait_for_prompts(person, 0)
    person.page.keyboard.press("Control+y")
    wait_for_prompts(person, 1)
    assert person.state("prompts")[0]["text"] == scribble
    assert not person.errors


@pytest.mark.shares_the_viewer
def test_the_line_is_seen_while_it_is_drawn_and_escape_gives_it_up(person: Person) -> None:
    person.page.keyboard.press("l")
    person.wait_until(lambda: person.state("tool") == "lasso")
    before = colored(person)
    mouse = person.page.mouse
    mouse.move(*person.point_of("axial", *RING[0]))
    mouse.down()
    for place in RING[1:3]:
        mouse.move(*person.point_of("axial", *place), steps=10)
    person.wait_until(lambda: colored(person) > before + 100)
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("tool") == "")
    mouse.move(*person.point_of("axial", *RING[3]), steps=4)
    mouse.up()
    person.catch_up()
    person.wait_until(lambda: colored(person) <= before + 20)
    assert person.state("prompts") == []


@pytest.mark.shares_the_viewer
def test_a_3d_box_prompts_many_slices_its_handles_change_them_and_each_change_is_one_undo(person: Person) -> None:
    first = prompt(person, "roi", BOX)
    person.wait_until(lambda: person.state("tool") == "")
    assert len(first) > 3
    assert all(text.startswith("Box (") for text in first)
    # The middle of the right side of the box.
    handle = (BOX[1][0], (BOX[0][1] + BOX[1][1]) / 2)
    person.draw("axial", handle, (handle[0] + 0.03, handle[1]), (handle[0] + 0.06, handle[1]))
    person.wait_until(lambda: [entry["text"] for entry in person.state("prompts")] != first)
    person.wait_until(lambda: not person.state("is_working"))
    second = [entry["text"] for entry in person.state("prompts")]
    assert len(second) == len(first)
    assert not set(second) & set(first), "every slice has the wider box"
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: [entry["text"] for entry in person.state("prompts")] == first)
    person.wait_until(lambda: not person.state("is_working"))
    person.page.keyboard.press("Control+z")
    wait_for_prompts(person, 0)


def session_of(scene_file: Path) -> dict[str, Any]:
    """The session that a saved scene holds, read without Slicer."""
    with zipfile.ZipFile(scene_file) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".mrml"))
        scene = ElementTree.fromstring(archive.read(name))
    (text,) = (node.get("text") for node in scene.iter("Text") if "DFQSAMSlicer.session" in node.get("attributes", ""))
    found: dict[str, Any] = json.loads(text)
    return found


def voxels_of_scene(prompts_file: Path, model_path: Path) -> np.ndarray:
    """(K, J, I) uint16: the prompts of a file given to a workspace on a scene of this process, one after the other."""
    from dfqsam_viewer.world import complete_slicer

    complete_slicer()
    from dfqsam_core import load_model
    from dfqsam_core.volume import SliceKey, read_prompts
    from dfqsam_scene.jobs.worker import Worker
    from dfqsam_scene.nodes.segments import new_segmentation
    from dfqsam_scene.nodes.volume_node import read_volume_node
    from dfqsam_scene.prompting.window_texts import window_of
    from dfqsam_scene.prompting.workspace import Workspace
    from Testing.support.mrml_scene import MrmlWorld

    WORLDS.append(MrmlWorld())
    volume_node = WORLDS[-1].read_volume(resource_path(DEMO_VOLUME), "CT")
    volume, worker = read_volume_node(volume_node), Worker()
    model = load_model(model_path, threads=1)
    segmentation_node = new_segmentation(volume_node, "Organs")
    workspace = Workspace(volume_node, segmentation_node, model, worker, window_of("auto", volume))
    workspace.encode_ahead(False)
    labels = np.zeros(volume.voxels_kji.shape, np.uint16)
    for segment in read_prompts(prompts_file, volume.geometry):
        segment_id = workspace.segments.add_segment(segment.name)
        for prompt in segment.prompts:
            workspace.controller.add_prompt(segment_id, prompt)
            assert workspace.finish()
        for index in range(len(labels)):
            plane = workspace.segments.read(segment_id, SliceKey("K", index))
            labels[index][plane & (labels[index] == 0)] = segment.label
    workspace.close()
    worker.close()
    return labels


def test_page_scene_and_file_give_the_same_voxels(person: Person, model_path: Path, tmp_path: Path) -> None:
    prompt(person, "scribble", LINE)
    prompt(person, "scribble_out", ((0.55, 0.5), (0.6, 0.55)))
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    prompt(person, "lasso", ((0.62, 0.45), (0.72, 0.45), (0.72, 0.65), (0.62, 0.65)))
    for name in ("page.nrrd", "page.mrb"):
        person.do("save")
        person.wait_until(lambda: person.state("dialog") is not None)
        person.do("save path", name)
        person.wait_until(lambda name=name: (tmp_path / name).exists() and person.state("dialog") is None)
    of_page = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "page.nrrd")))
    assert set(np.unique(of_page)) == {0, 1, 2}
    segments = [
        {
            "name": segment["name"],
            "label": label,
            "prompts": [given for place in segment["slices"] for given in place["prompts"]],
        }
        for label, segment in enumerate(session_of(tmp_path / "page.mrb")["segments"], start=1)
    ]
    assert [[given["type"] for given in segment["prompts"]] for segment in segments] == [
        ["scribble", "scribble"],
        ["lasso"],
    ]
    prompts_file = tmp_path / "prompts.json"
    prompts_file.write_text(json.dumps({"coordinate_system": "IJK", "segments": segments}), encoding="utf-8")
    command = [sys.executable, "-m", "dfqsam_core", "segment", resource_path(DEMO_VOLUME), prompts_file]
    subprocess.run([*command, "-m", model_path, "-o", tmp_path / "file.nrrd"], check=True)
    of_file = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "file.nrrd")))
    np.testing.assert_array_equal(of_page, of_file)
    np.testing.assert_array_equal(voxels_of_scene(prompts_file, model_path), of_file)


def test_a_saved_scene_brings_boxes_and_strokes_back(
    person: Person, start: Callable[..., ViewerProcess], open_page: Callable[[str], Person], tmp_path: Path
) -> None:
    prompt(person, "box", BOX)
    prompt(person, "scribble", LINE)
    person.do("save")
    person.wait_until(lambda: person.state("dialog") is not None)
    person.do("save path", "work.mrb")
    person.wait_until(lambda: (tmp_path / "work.mrb").exists() and person.state("dialog") is None)
    other = open_page(start(tmp_path / "work.mrb", "--root", tmp_path).address)
    other.wait_until_idle()
    wait_for_prompts(other, 2)
    assert [row["text"] for row in other.state("prompts")] == [row["text"] for row in person.state("prompts")]
