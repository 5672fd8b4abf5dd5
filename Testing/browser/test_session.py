"""A person's work from the click to the saved file, compared with what the core makes of the same prompts."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core import load_model
from dfqsam_core.resources import DEMO_VOLUME, resource_path
from dfqsam_core.volume import BoxPrompt, PointPrompt, VolumeSession, propagate, read_volume
from Testing.support.viewer import Person, colored_pixels

LIVER = (0.33, 0.45)
KIDNEY_BOX = ((0.37, 0.52), (0.47, 0.72))
# In the page itself: on a busy computer a propagation is over before a test's next order reaches the browser.
ESCAPE_WHEN_CANCELLABLE = """
() => new Promise(done => {
  document.querySelector("#propagate").click();
  const look = () => {
    if (!document.querySelector("#cancel")) return requestAnimationFrame(look);
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}));
    done();
  };
  look();
})
"""


def core_session(model: Path) -> VolumeSession:
    """An empty session of the core on the embedded CT, with segment 1."""
    session = VolumeSession(read_volume(resource_path(DEMO_VOLUME)), load_model(model))
    session.add_segment(1, "Segment_1")
    return session


def core_prompts(person: Person) -> list[Any]:
    """The prompts that the page lists, as the core's own."""
    return [_prompt(entry["text"], entry["axis"]) for entry in person.state("prompts")]


def _prompt(text: str, axis: str) -> PointPrompt | BoxPrompt:
    voxels = [ast.literal_eval(found) for found in re.findall(r"\([\d, ]+\)", text)]
    if text.startswith("Box"):
        return BoxPrompt(voxels[0], voxels[1], axis)
    return PointPrompt(voxels[0], "+" in text, axis)


def save(person: Person, name: str) -> None:
    """Save under a name into the folder of the dialog."""
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-name")
    person.page.fill("#save-name", name)
    person.page.click("#save-now")
    person.wait_until(lambda: person.state("message").startswith("Saved") and person.state("message").endswith(name))


@pytest.mark.shares_the_viewer
def test_a_click_shows_its_mask_there_and_undo_takes_it_away(person: Person) -> None:
    before = colored_pixels(person.picture("axial"))
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.wait_until(lambda: np.ptp(person.color_near("axial", *LIVER)) > 30)
    person.page.mouse.move(640, 30)
    segment = bytes.fromhex(person.state("segments")[0]["color"][1:])
    shown = person.color_near("axial", *LIVER)
    assert np.argmax(shown) == np.argmax(list(segment)), "the mask has the segment's colour"
    assert colored_pixels(person.picture("axial")) > before + 2000
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: np.ptp(person.color_near("axial", *LIVER)) < 12)
    person.wait_until(lambda: person.state("prompts") == [])
    person.page.keyboard.press("Control+y")
    person.wait_until(lambda: np.ptp(person.color_near("axial", *LIVER)) > 30)
    assert person.errors == []


def test_what_is_saved_is_what_the_core_makes_of_the_prompts(person: Person, model_path: Path, tmp_path: Path) -> None:
    person.tool("box")
    person.click("axial", *KIDNEY_BOX[0])
    person.catch_up()
    person.prompt("axial", *KIDNEY_BOX[1])
    person.tool("negative")
    person.prompt("axial", 0.40, 0.50)
    key = person.state("place")
    prompts = core_prompts(person)
    assert [type(prompt).__name__ for prompt in prompts] == ["BoxPrompt", "PointPrompt"]
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops"))
    save(person, "labels.nii.gz")

    session = core_session(model_path)
    for prompt in prompts:
        session.add_prompt(1, prompt)
    propagate(session, 1, key["axis"], 0, key["last"])
    saved = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "labels.nii.gz")))
    assert np.count_nonzero(session.labels_kji.any(axis=(1, 2))) > 1, "the propagation reached other slices"
    np.testing.assert_array_equal(saved, session.labels_kji)


def test_clicks_on_a_propagated_slice_correct_it_as_the_core_does(
    person: Person, model_path: Path, tmp_path: Path
) -> None:
    person.tool("box")
    person.click("axial", *KIDNEY_BOX[0])
    person.catch_up()
    person.prompt("axial", *KIDNEY_BOX[1])
    place, boxes = person.state("place"), core_prompts(person)
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops") and not person.state("is_working"))
    person.page.mouse.move(*person.point_of("axial", 0.42, 0.6))
    person.page.keyboard.press("ArrowUp")
    person.wait_until(lambda: person.state("place")["index"] != place["index"])
    person.tool("negative")
    person.prompt("axial", 0.40, 0.56)
    person.tool("positive")
    person.prompt("axial", 0.46, 0.66)
    clicks = [prompt for prompt in core_prompts(person) if prompt not in boxes]
    assert [(click.slice.index, click.positive) for click in clicks] == [
        (person.state("place")["index"], False),
        (person.state("place")["index"], True),
    ]
    save(person, "labels.nii.gz")
    session = core_session(model_path)
    session.add_prompt(1, boxes[0])
    propagate(session, 1, place["axis"], 0, place["last"])
    assert session.mask(1, clicks[0].slice).any(), "the propagation reached the slice that is corrected"
    for click in clicks:
        session.add_prompt(1, click)
    saved = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "labels.nii.gz")))
    np.testing.assert_array_equal(saved, session.labels_kji)


@pytest.mark.shares_the_viewer
def test_what_takes_away_all_of_a_propagated_slice_says_so(person: Person) -> None:
    person.tool("box")
    person.click("axial", *KIDNEY_BOX[0])
    person.catch_up()
    person.prompt("axial", *KIDNEY_BOX[1])
    index = person.state("place")["index"]
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops") and not person.state("is_working"))
    person.page.mouse.move(*person.point_of("axial", 0.42, 0.6))
    person.page.keyboard.press("ArrowUp")
    person.wait_until(lambda: person.state("place")["index"] != index)
    person.tool("lasso_out")
    person.draw("axial", (0.2, 0.3), (0.6, 0.3), (0.6, 0.9), (0.2, 0.9))
    person.wait_until(lambda: "took away all that the segment had" in person.state("message"))


def test_a_saved_label_map_opens_again_voxel_for_voxel(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.prompt("axial", 0.60, 0.62)
    save(person, "first.nrrd")
    person.do("open labels")
    person.page.wait_for_selector(".files li[data-name='first.nrrd']")
    person.page.click(".files li[data-name='first.nrrd']")
    person.wait_until(lambda: person.state("message") == "first.nrrd is open.")
    assert [segment["name"] for segment in person.state("segments")] == ["label 1", "label 2"]
    save(person, "second.nii.gz")
    first, second = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name))) for name in ("first.nrrd", "second.nii.gz")
    )
    assert set(np.unique(first)) == {0, 1, 2}
    np.testing.assert_array_equal(second, first)


def test_a_propagation_can_be_cancelled_and_leaves_everything_as_it_was(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    save(person, "before.nrrd")
    person.page.evaluate(ESCAPE_WHEN_CANCELLABLE)
    person.wait_until(lambda: person.state("message") == "Cancelled.")
    save(person, "after.nrrd")
    before, after = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.nrrd"))) for name in ("before", "after")
    )
    assert before.any()
    np.testing.assert_array_equal(after, before)


def test_candidates_and_previews_by_keys(person: Person) -> None:
    person.page.uncheck("#auto-accept")
    person.tool("positive")
    person.click("axial", *LIVER)
    person.wait_until(lambda: person.state("has_preview"))
    assert len(person.state("candidates")) == 3
    for key, chosen in (("1", 0), ("3", 2), ("2", 1)):
        person.page.keyboard.press(key)
        person.wait_until(lambda chosen=chosen: person.state("candidates")[chosen]["chosen"])
    person.wait_until(lambda: person.color_near("axial", *LIVER)[2] < 0.8 * person.color_near("axial", *LIVER)[1])
    person.page.keyboard.press("d")
    person.wait_until(lambda: not person.state("has_preview"))
    assert person.state("prompts") == []
    person.click("axial", *LIVER)
    person.wait_until(lambda: person.state("has_preview"))
    person.page.keyboard.press("a")
    person.wait_until(lambda: not person.state("has_preview"))
    assert len(person.state("prompts")) == 1
    person.page.keyboard.press("Delete")
    person.wait_until(lambda: person.state("prompts") == [])


def test_slices_window_and_segments_of_the_page(person: Person) -> None:
    person.page.mouse.move(*person.point_of("axial", 0.5, 0.5))
    first = person.state("views")["axial"]["index"]
    person.page.mouse.wheel(0, -120)
    person.wait_until(lambda: person.state("views")["axial"]["index"] != first)
    person.page.keyboard.press("ArrowDown")
    person.wait_until(lambda: person.state("views")["axial"]["index"] in (first, first + 2, first - 2))
    window = person.state("window_state")["display"]
    place = person.point_of("axial", 0.5, 0.5)
    person.page.mouse.down()
    person.page.mouse.move(place[0] + 60, place[1] - 40, steps=6)
    person.page.mouse.up()
    person.wait_until(lambda: person.state("window_state")["display"] != window)
    person.catch_up()
    assert person.state("window_state")["model"] == window, "the model's window is not changed by looking"
    person.page.select_option("#window", "lung")
    person.wait_until(lambda: person.state("window_state")["model"] == "1500 / -600")
    person.wait_until(lambda: person.state("window_state")["display"] == "1500 / -600")
    person.page.fill(".segments .text", "Liver")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "Liver")
    person.do("recolor segment", person.state("segments")[0]["id"], "#ff0000")
    person.wait_until(lambda: person.state("segments")[0]["color"] == "#ff0000")
    person.page.keyboard.press("f")
    person.wait_until(lambda: person.state("large") == "axial")
    person.wait_until(lambda: person.page.locator("#view-axial").bounding_box()["width"] > 900)


def test_what_happens_in_a_view_takes_the_place_of_an_older_notice(person: Person) -> None:
    save(person, "empty.nrrd")
    person.tool("positive")
    save(person, "again.nrrd")
    person.prompt("axial", *LIVER)
    assert "Saved" not in person.state("message")


@pytest.mark.shares_the_viewer
def test_only_the_segment_that_is_removed_goes(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    first, second = (segment["id"] for segment in person.state("segments"))
    person.do("remove segment", first)
    person.wait_until(lambda: [segment["id"] for segment in person.state("segments")] == [second])
    assert person.state("segments")[0]["chosen"]
    assert person.state("prompts") == []
    person.do("remove segment", first)
    person.wait_until(lambda: person.state("message") == "This segment is gone. Choose another one.")


def test_a_surface_is_shown_when_asked_for(person: Person) -> None:
    person.page.click("#surface")
    person.wait_until(lambda: "empty" in person.state("message"))
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops"))
    save(person, "surface.nrrd")
    before = colored_pixels(person.picture("surface"))
    person.page.keyboard.press("v")
    person.wait_until(lambda: person.state("surface_shown"))
    person.wait_until(lambda: colored_pixels(person.picture("surface")) > before + 1500)
    assert not person.state("unsaved"), "looking changes nothing"
