"""Nothing is changed where nobody looks, and what is changed is shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.browser.test_session import LIVER
from Testing.support.viewer import Person, ViewerProcess

OpenPage = Callable[..., Person]


def at_work(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.mouse.move(640, 20)


@pytest.fixture
def prompted(person: Person) -> Person:
    at_work(person)
    return person


def test_keys_change_nothing_behind_a_dialog_or_on_another_page(prompted: Person) -> None:
    person = prompted
    before = person.state("prompts"), person.state("segments")

    def press_all() -> None:
        for key in ("Delete", "Control+z", "Home", "Insert", "b", "Control+Delete", "Control+s"):
            person.page.keyboard.press(key)
        person.catch_up()
        assert (person.state("prompts"), person.state("segments")) == before
        assert (person.state("tool"), person.state("ends")["first"]) == ("positive", None)

    person.page.keyboard.press("?")
    person.page.wait_for_selector(".keys")
    press_all()
    assert person.state("dialog") is None
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: not person.state("keys_shown"))
    person.page.click("#statistics")
    person.page.wait_for_selector("#sizes")
    press_all()
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("sizes") is None)
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-name")
    person.page.focus("#save-now")
    press_all()
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("dialog") is None)
    for page in ("models", "quantize"):
        person.page.click(f".pages button:has-text('{page.capitalize()}')")
        person.wait_until(lambda page=page: person.state("page") == page)
        person.page.evaluate("document.activeElement.blur()")
        press_all()
        person.page.keyboard.press("Escape")
        person.wait_until(lambda: person.state("dialog") is None)
    person.page.click(".pages button >> nth=0")
    person.page.keyboard.press("Delete")
    person.wait_until(lambda: person.state("prompts") == [])


@pytest.mark.shares_the_viewer
@pytest.mark.parametrize("control", ["#view-axial .slider", "#strip-axial"])
def test_home_and_end_on_a_slider_go_to_its_ends_and_mark_none(prompted: Person, control: str) -> None:
    person = prompted
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops") and not person.state("is_working"))
    last = person.state("views")["axial"]["last"]
    person.page.focus(control)
    for key, index in (("Home", 0), ("ArrowUp", 1), ("End", last), ("ArrowDown", last - 1)):
        person.page.keyboard.press(key)
        person.wait_until(lambda index=index: person.state("views")["axial"]["index"] == index)
    assert person.state("ends") == {"first": None, "last": None}
    # What the mouse has moved leaves the keys to the segment.
    box = person.page.locator(control).bounding_box()
    person.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    person.catch_up()
    index = person.state("views")["axial"]["index"]
    assert 2 < index < last - 1
    person.page.keyboard.press("Home")
    person.wait_until(lambda: person.state("ends")["first"] == index)


@pytest.mark.shares_the_viewer
def test_a_range_of_slices_is_not_kept_for_another_volume(prompted: Person) -> None:
    person = prompted
    person.page.fill("#first", "12")
    person.page.press("#first", "Tab")
    person.wait_until(lambda: person.state("first_slice") == 12)
    person.do("next slice")
    assert person.state("first_slice") == 12
    person.do("open sample")
    person.wait_until(lambda: person.state("first_slice") == 0)
    person.wait_until(lambda: person.page.input_value("#first") == "1")


def test_a_field_shows_what_counts_where_its_text_does_not(prompted: Person) -> None:
    person = prompted
    name = person.state("segments")[0]["name"]
    person.page.fill(".segments .text", "")
    person.page.press(".segments .text", "Enter")
    person.wait_until(lambda: person.page.input_value(".segments .text") == name)
    person.page.fill(".segments .text", "liver")
    person.page.press(".segments .text", "Enter")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "liver")
    person.catch_up()
    assert person.page.input_value(".segments .text") == "liver"
    person.page.click("#tab-hand")
    for _ in range(2):
        person.page.fill("#brush-size", "9000")
        person.page.press("#brush-size", "Enter")
        person.wait_until(lambda: person.page.input_value("#brush-size") == "200")
    last = str(person.state("place")["last"] + 1)
    for _ in range(2):
        person.page.fill("#last", "")
        person.page.press("#last", "Enter")
        person.wait_until(lambda: person.page.input_value("#last") == last)


def test_what_is_half_typed_stays_while_the_page_changes(prompted: Person) -> None:
    person = prompted

    def type_in(field: str, text: str) -> None:
        """Type while another slice is shown, as after work that ends meanwhile."""
        person.page.fill(field, text)
        index = person.state("place")["index"]
        person.do("next slice")
        assert person.state("place")["index"] != index
        assert person.page.input_value(field) == text, field
        person.page.press(field, "Tab")

    type_in("#first", "2")
    type_in("#last", "7")
    person.wait_until(lambda: (person.state("first_slice"), person.state("last_slice")) == (2, 7))
    type_in(".segments .text", "liver")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "liver")
    person.page.click("#tab-hand")
    type_in("#brush-size", "7.5")
    person.wait_until(lambda: person.state("brush")["size"] == 7.5)
    for field, key in (("#least-part", "least_part"), ("#smooth-mm", "smooth_mm")):
        type_in(field, "3.5")
        person.wait_until(lambda key=key: person.state(key) == 3.5)
    # What changes beside it is shown all the same.
    person.page.focus("#brush-size")
    person.do("brush size", 9)
    person.wait_until(lambda: person.page.input_value("#brush-size") == "9")


@pytest.mark.shares_the_viewer
def test_every_change_is_seen_in_the_view(prompted: Person) -> None:
    person = prompted

    def is_other(before: np.ndarray) -> bool:
        return bool((np.abs(person.picture("axial").astype(int) - before).max(axis=2) > 20).sum() > 30)

    (segment,) = person.state("segments")
    for action in (
        ("recolor segment", segment["id"], "#ff00ff"),
        ("opacity", 10),
        ("outline only", True),
        ("outline only", False),
        ("opacity", 80),
        ("toggle segment", segment["id"]),
        ("toggle segment", segment["id"]),
        ("toggle segments",),
        ("toggle segments",),
        ("window", "lung"),
        ("window", "auto"),
        ("remove segment", segment["id"]),
        ("undo",),
        ("undo",),
        ("redo",),
        ("clear slice",),
    ):
        seen = person.steady_picture("axial")
        person.do(*action)
        person.wait_until(lambda seen=seen: is_other(seen))


def test_a_page_that_is_loaded_again_shows_what_the_first_one_did(prompted: Person) -> None:
    person = prompted
    before = {view: person.steady_picture(view) for view in ("axial", "coronal", "sagittal")}
    person.page.reload()
    person.page.wait_for_selector("#open")
    person.wait_until_idle()
    person.page.mouse.move(640, 20)
    for view, picture in before.items():
        assert np.abs(person.steady_picture(view) - picture).mean() < 2, view
    assert len(person.state("prompts")) == 1


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_no_word_is_cut_off_and_the_kind_of_model_is_read(
    start: Callable[..., ViewerProcess],
    open_page: OpenPage,
    model_path: Path,
    tmp_path: Path,
    size: tuple[int, int],
    pictures: Path,
) -> None:
    model = tmp_path / f"{'a-long-name-of-a-model-' * 5}.safetensors"
    shutil.copy(model_path, model)
    person = open_page(start(resource_path(DEMO_VOLUME), "-m", model, "--root", tmp_path).address)
    person.wait_until_idle()
    at_work(person)
    person.page.set_viewport_size({"width": size[0], "height": size[1]})
    person.wait_until_idle()
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops") and not person.state("is_working"))
    for tool in ("positive", "brush"):
        person.tool(tool)
        person.catch_up()
        cut = person.page.evaluate(
            """() => [...document.querySelectorAll('.side button, .side label, .side h2, .side select, .bar button')]
            .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && !e.closest('.prompts'))
            .map((e) => e.id || e.innerText)"""
        )
        assert cut == []
        wide = person.page.evaluate(
            """() => [...document.querySelectorAll('.side *, .bar *')].filter((e) => e.offsetParent)
            .filter((e) => e.getBoundingClientRect().right > e.closest('.side, .bar').getBoundingClientRect().right + 1)
            .map((e) => `${e.id || e.innerText} ends at ${e.getBoundingClientRect().right}`)"""
        )
        assert wide == []
        ends = "s => document.querySelector(s).getBoundingClientRect().right"
        assert person.page.evaluate(ends, "#model .kind") < person.page.evaluate(ends, "#model")
        person.page.screenshot(path=pictures / f"unseen-{size[0]}-{tool}.png")
