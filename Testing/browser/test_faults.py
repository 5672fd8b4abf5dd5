"""What a radiologist stumbled over, each as a kind; who looks at the page sees that it is mended."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.browser.test_session import LIVER
from Testing.support.viewer import Person, ViewerProcess

OpenPage = Callable[..., Person]
SMALL_BOX = ((0.40, 0.50), (0.4035, 0.58))
# In the page itself: on a busy computer a propagation is over before a test has looked twice.
KEEP_PROGRESS = """
() => {
  window.shown = [];
  trame.state.watch(["progress"], (work) => work && window.shown.push(work));
}
"""


def bar_colors(person: Person, selector: str) -> np.ndarray:
    """(W, 3) colours along the middle of a progress bar."""
    from PIL import Image

    png = person.page.locator(selector).screenshot()
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return picture[len(picture) // 2]


@pytest.mark.shares_the_viewer
@pytest.mark.parametrize("tool", ["box", "roi"])
def test_a_box_too_small_to_be_meant_is_refused_with_a_sentence(person: Person, tool: str) -> None:
    person.tool(tool)
    person.draw("axial", *SMALL_BOX)
    person.wait_until(lambda: "at least 3 × 3 are needed" in person.state("message"))
    assert person.state("is_error")
    assert person.state("prompts") == []
    person.tool("box")
    person.draw("axial", (0.37, 0.52), (0.47, 0.72))
    person.wait_until(lambda: len(person.state("prompts")) == 1)


def test_a_propagation_shows_a_filled_bar_percent_slices_and_time(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.evaluate(KEEP_PROGRESS)
    person.page.click("#propagate")
    person.wait_until(lambda: person.state("stops"))
    shown = person.page.evaluate("window.shown")
    texts = [work["text"] for work in shown]
    assert [text for text in texts if re.fullmatch(r"\d+ %, \d+ of 29 slices, .* left", text)], texts
    number = person.state("stops")[0].removeprefix("down to slice ").split(":")[0]
    assert person.state("message").startswith(f"Axial slice {number}: "), "counted from 1, as in the list"
    assert f"slice {number}:" in person.page.inner_text("#stops")
    # The bar again as it was in the middle.
    half = next(work for work in shown if work["total"] and 0.2 < work["done"] / work["total"] < 0.8)
    person.page.evaluate("progress => trame.state._updateFromServer({progress})", half)
    colors = bar_colors(person, "#progress")
    accent = (np.abs(colors - (0x8F, 0xD3, 0xC8)).max(axis=1) < 12).mean()
    assert 0.1 < accent < 0.9, "part of the bar has the page's own colour"


@pytest.mark.shares_the_viewer
def test_stop_texts_belong_to_their_segment(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.click("#propagate")
    person.wait_until(lambda: person.state("stops"))
    person.page.click("#add-segment")
    person.wait_until(lambda: person.state("stops") == [])
    person.page.click(".segments li:nth-child(1) .number")
    person.wait_until(lambda: person.state("stops"))


@pytest.mark.shares_the_viewer
def test_the_key_propagates_over_the_range_that_is_shown(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    index = person.state("place")["index"]
    person.page.fill("#first", str(index))
    person.page.press("#first", "Tab")
    person.page.fill("#last", str(index + 3))
    person.page.press("#last", "Tab")
    person.page.locator("#last").blur()
    person.page.keyboard.press("g")
    person.wait_until(lambda: len(person.state("stops")) == 2)
    assert [text.split(":")[0] for text in person.state("stops")] == [
        f"down to slice {index}",
        f"up to slice {index + 3}",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be stopped there")
def test_a_key_does_not_overtake_the_range_that_was_typed_before_it(person: Person, viewer: ViewerProcess) -> None:
    """On a busy computer it did: the page holds its own values back while the viewer has not answered."""
    person.tool("positive")
    person.prompt("axial", *LIVER)
    index = person.state("place")["index"]
    viewer.process.send_signal(signal.SIGSTOP)
    person.page.evaluate("() => { trame.trigger('do', ['tool', 'positive']) }")
    for field, number in (("#first", index), ("#last", index + 3)):
        person.page.fill(field, str(number))
        person.page.press(field, "Tab")
    person.page.locator("#last").blur()
    person.page.keyboard.press("g")
    person.page.wait_for_timeout(100)
    viewer.process.send_signal(signal.SIGCONT)
    person.wait_until(lambda: len(person.state("stops")) == 2)
    assert [text.split(":")[0] for text in person.state("stops")] == [
        f"down to slice {index}",
        f"up to slice {index + 3}",
    ]
    assert (person.page.input_value("#first"), person.page.input_value("#last")) == (str(index), str(index + 3))


@pytest.mark.shares_the_viewer
def test_a_new_point_outside_is_red_while_the_mouse_is_on_it(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.tool("negative")
    place = (0.60, 0.62)
    person.prompt("axial", *place)

    def counts() -> tuple[int, int]:
        """How many pixels around the place are red, and green."""
        picture = person.picture("axial").astype(int)
        row, column = int(place[1] * picture.shape[0]), int(place[0] * picture.shape[1])
        near = picture[row - 12 : row + 13, column - 12 : column + 13].reshape(-1, 3)
        red = (near[:, 0] > 150) & (near[:, 1] < 90) & (near[:, 2] < 90)
        green = (near[:, 1] > 150) & (near[:, 0] < 90) & (near[:, 2] < 110)
        return int(red.sum()), int(green.sum())

    person.wait_until(lambda: counts()[0] > 10)
    assert counts()[1] == 0


@pytest.mark.shares_the_viewer
def test_no_two_segments_have_one_colour(person: Person) -> None:
    for count in (2, 3):
        person.page.click("#add-segment")
        person.wait_until(lambda count=count: len(person.state("segments")) == count)
    person.do("remove segment", person.state("segments")[0]["id"])
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 3)
    assert len({segment["color"] for segment in person.state("segments")}) == 3


def test_presets_are_those_of_the_modality(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    image = sitk.ReadImage(str(resource_path(DEMO_VOLUME)))
    voxels = np.clip(sitk.GetArrayFromImage(image).astype(int) + 1000, 0, None)
    like_mr = sitk.GetImageFromArray(voxels.astype(np.int16))
    like_mr.CopyInformation(image)
    sitk.WriteImage(like_mr, str(tmp_path / "mr.nii.gz"))
    person = open_page(start(tmp_path / "mr.nii.gz", "--root", tmp_path).address)
    person.wait_until_idle()
    assert person.page.locator("#window option").all_inner_texts()[:2] == ["Automatic", "As displayed now"]
    person.do("open sample")
    person.wait_until(lambda: "liver" in person.state("windows"))


def test_views_opened_from_the_welcome_page_show_the_whole_slice(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    person = open_page(start("--root", tmp_path).address)
    person.page.wait_for_selector("#open-sample")
    person.page.click("#open-sample")
    person.wait_until_idle()
    first = person.steady_picture("axial")
    person.page.keyboard.press("r")
    assert np.abs(person.steady_picture("axial") - first).mean() < 2, "fitting the views again changes nothing"
    # A window that is made smaller cut what had been fitted into the larger one.
    person.page.set_viewport_size({"width": 1000, "height": 520})
    person.wait_until_idle()
    smaller = person.steady_picture("axial")
    person.page.keyboard.press("r")
    assert np.abs(person.steady_picture("axial") - smaller).mean() < 2


def test_views_of_a_volume_given_at_the_start_fill_their_room(person: Person) -> None:
    """They were fitted before the page told their size."""
    first = person.steady_picture("coronal")
    person.page.keyboard.press("r")
    assert np.abs(person.steady_picture("coronal") - first).mean() < 2


def test_the_model_page_tells_licence_limits_and_dice(person: Person) -> None:
    person.page.click("#model")
    person.page.click(".models li >> nth=0")
    person.page.wait_for_selector("#terms")
    terms = person.page.inner_text("#terms")
    for word in ("Licence", "Apache-2.0", "Limits", "clinical use", "Dice", "with a box 0.8"):
        assert word in terms
