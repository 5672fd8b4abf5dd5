"""One history for prompts and the list of segments; nothing that a person does is swallowed, or done out of sight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.browser.test_label_numbers import saved_labels
from Testing.browser.test_session import LIVER, save
from Testing.support.viewer import Person, ViewerProcess

OpenPage = Callable[..., Person]


def test_a_removed_segment_comes_back_and_no_prompt_of_another_goes(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.fill(".segments li:nth-child(1) .text", "liver")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "liver")
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.prompt("axial", 0.60, 0.62)
    save(person, "before.nrrd")
    before = person.state("segments"), person.state("prompts")
    person.page.click(".segments li:nth-child(1) button[aria-label='Remove liver']")
    person.wait_until(lambda: len(person.state("segments")) == 1)
    assert [prompt["name"] for prompt in person.state("prompts")] == [person.state("segments")[0]["name"]]
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    assert [segment["name"] for segment in person.state("segments")] == [segment["name"] for segment in before[0]]
    assert person.state("prompts") == before[1]
    save(person, "after.nrrd")
    np.testing.assert_array_equal(saved_labels(tmp_path / "after.nrrd"), saved_labels(tmp_path / "before.nrrd"))
    assert len(np.unique(saved_labels(tmp_path / "after.nrrd"))) == 3


@pytest.mark.shares_the_viewer
def test_names_and_colours_are_taken_back(person: Person) -> None:
    name, color = (person.state("segments")[0][key] for key in ("name", "color"))
    assert not person.state("can_undo")
    person.page.fill(".segments .text", "spleen")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "spleen")
    person.page.fill(".segments input[type=color]", "#123456")
    person.wait_until(lambda: person.state("segments")[0]["color"] == "#123456")
    person.page.click("#undo")
    person.wait_until(lambda: person.state("segments")[0]["color"] == color)
    assert person.state("segments")[0]["name"] == "spleen"
    person.page.click("#undo")
    person.wait_until(lambda: person.state("segments")[0]["name"] == name)
    person.page.click("#redo")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "spleen")


def test_a_click_while_the_model_loads_is_answered_when_it_is_there(
    start: Callable[..., ViewerProcess], open_page: OpenPage, model_path: Path, tmp_path: Path
) -> None:
    viewer = start(resource_path(DEMO_VOLUME), "-m", model_path, "--root", tmp_path)
    person = open_page(viewer.address)
    person.wait_until(lambda: person.state("volume") is not None)
    person.wait_until_drawn()
    person.do("positive")
    person.wait_until(lambda: person.state("tool") == "positive")
    person.click("axial", *LIVER)
    person.wait_until(lambda: len(person.state("prompts")) == 1)
    person.wait_until_idle()
    person.wait_until(lambda: np.ptp(person.color_near("axial", *LIVER)) > 30)
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: person.state("prompts") == [])


def test_another_model_keeps_prompts_and_history(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    before = person.state("model")
    person.page.click("#model")
    person.page.wait_for_selector(".models button.use:enabled")
    person.page.click(".models button.use:enabled >> nth=0")
    seen = {(before["name"], before["kind"])}

    def is_there() -> bool:
        model = person.state("model")
        seen.add((model["name"], model["kind"]))
        return bool(model["name"] != before["name"])

    person.wait_until(is_there)
    person.wait_until(lambda: not person.state("busy"))
    after = person.state("model")
    assert seen == {(before["name"], before["kind"]), (after["name"], after["kind"])}, "no name beside another's kind"
    assert len(person.state("prompts")) == 1
    person.page.click(".pages button >> nth=0")
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: person.state("prompts") == [])
    person.wait_until(lambda: np.ptp(person.color_near("axial", *LIVER)) < 12)


@pytest.mark.shares_the_viewer
def test_what_happens_on_a_slice_that_is_not_on_screen_is_brought_to_view(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    prompted = person.state("views")["axial"]["index"]
    person.do("go", "axial", prompted + 7)
    person.wait_until(lambda: person.state("views")["axial"]["index"] == prompted + 7)
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: person.state("prompts") == [])
    person.wait_until(lambda: person.state("views")["axial"]["index"] == prompted)
    person.do("go", "axial", prompted - 5)
    person.wait_until(lambda: person.state("views")["axial"]["index"] == prompted - 5)
    person.page.keyboard.press("Control+y")
    person.wait_until(lambda: len(person.state("prompts")) == 1)
    person.wait_until(lambda: person.state("views")["axial"]["index"] == prompted)
