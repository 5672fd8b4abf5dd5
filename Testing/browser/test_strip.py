"""The strip under a view: how sure each propagated slice is, weak ones marked, ends marked; mouse and keys go there."""

from __future__ import annotations

import re

import pytest

from Testing.support.viewer import Person

from .test_session import LIVER

pytestmark = pytest.mark.shares_the_viewer


def propagated(person: Person) -> dict:
    """The strip of the axial view after a propagation from one click."""
    person.tool("positive")
    person.prompt("axial", *LIVER)
    assert person.page.locator(".strip").count() == 0
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops") and not person.state("is_working"))
    person.page.wait_for_selector("#strip-axial")
    return person.state("views")["axial"]["strip"]


def bars(path: str) -> list[int]:
    """The slices, from 0, that a path of the strip draws."""
    return [int(number) for number in re.findall(r"M(\d+) ", path)]


def test_a_click_on_the_strip_shows_that_slice_and_places_no_prompt(person: Person) -> None:
    strip = propagated(person)
    shown = person.state("views")["axial"]
    assert bars(strip["prompted"]) == [shown["index"]]
    assert len(bars(strip["sure"]) + bars(strip["weak"])) > 5
    assert bars(strip["marks"]) == bars(strip["weak"])
    box = person.page.locator("#strip-axial").bounding_box()
    wanted = bars(strip["sure"])[-1]
    person.page.mouse.click(box["x"] + box["width"] * (wanted + 0.5) / (shown["last"] + 1), box["y"] + 10)
    person.wait_until(lambda: person.state("views")["axial"]["index"] == wanted)
    person.wait_until(lambda: person.state("views")["axial"]["strip"]["text"].startswith(f"slice {wanted + 1}: prop"))
    assert len(person.state("prompts")) == 1
    coronal = person.state("views")["coronal"]
    assert coronal["strip"] is None, "nothing was propagated along that axis"


def test_keys_go_along_the_strip_and_to_weak_slices(person: Person) -> None:
    strip = propagated(person)
    index = person.state("views")["axial"]["index"]
    person.page.focus("#strip-axial")
    person.page.keyboard.press("ArrowRight")
    person.wait_until(lambda: person.state("views")["axial"]["index"] == index + 1)
    person.page.keyboard.press("ArrowLeft")
    person.wait_until(lambda: person.state("views")["axial"]["index"] == index)
    for key, later in (("PageUp", True), ("PageDown", False)):
        here = person.state("views")["axial"]["index"]
        weak = [n for n in bars(strip["weak"]) if (n > here) == later and n != here]
        person.page.keyboard.press(key)
        if weak:
            nearest = min(weak) if later else max(weak)
            person.wait_until(lambda nearest=nearest: person.state("views")["axial"]["index"] == nearest)
            assert person.page.get_attribute("#strip-axial", "aria-valuetext").split(": ")[1] == "weak, look at it"
        else:
            person.wait_until(lambda: "no weak slice" in person.state("message"))


def test_marked_ends_are_drawn_and_undone(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    index = person.state("place")["index"]
    person.page.keyboard.press("Home")
    person.wait_until(lambda: person.state("views")["axial"]["strip"] is not None)
    assert person.state("views")["axial"]["strip"]["ends"] == f"M{index} 0v20"
    assert person.state("message") == f"It starts on axial slice {index + 1}; mark its other end, too."
    assert "the segment starts here" in person.page.get_attribute("#strip-axial", "aria-valuetext")
    picture = person.picture("axial")
    strip = picture[-44:-24].astype(int)
    assert ((strip[..., 2] - strip[..., 0]) > 80).sum() > 8, "a blue line is drawn"
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: person.state("ends")["first"] is None)
    assert len(person.state("prompts")) == 1
    person.page.keyboard.press("Control+y")
    person.wait_until(lambda: person.state("ends")["first"] == index)


def test_undo_takes_the_strip_away(person: Person) -> None:
    propagated(person)
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: person.state("views")["axial"]["strip"] is None)
    assert person.errors == []
