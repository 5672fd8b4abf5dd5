"""What the mouse does on the page with a tool: drags draw boxes, and the 3D view places nothing."""

from __future__ import annotations

import ast
import re

import pytest

from Testing.support.viewer import Person, colored_pixels

BOX = ((0.37, 0.52), (0.47, 0.72))


def corners(person: Person) -> list[tuple[int, ...]]:
    """Voxels that the only prompt of the page names."""
    (entry,) = person.state("prompts")
    return [ast.literal_eval(found) for found in re.findall(r"\([\d, ]+\)", entry["text"])]


def drag(person: Person, view: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press the left button at the start, and release it at the end."""
    person.page.mouse.move(*person.point_of(view, *start))
    person.page.mouse.down()
    person.page.mouse.move(*person.point_of(view, *end), steps=8)
    person.page.mouse.up()


@pytest.mark.shares_the_viewer
def test_a_drag_draws_the_box_that_two_clicks_draw(person: Person) -> None:
    person.tool("box")
    drag(person, "axial", *BOX)
    person.wait_until(lambda: person.state("prompts") and not person.state("is_working"))
    low, high = corners(person)
    assert min(abs(a - b) for a, b in list(zip(low, high, strict=True))[:2]) > 5, "no box of one voxel"
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: person.state("prompts") == [])
    person.click("axial", *BOX[0])
    person.catch_up()
    person.prompt("axial", *BOX[1])
    assert corners(person) == [low, high]


@pytest.mark.shares_the_viewer
def test_a_corner_is_forgotten_with_escape(person: Person) -> None:
    person.tool("box")
    person.click("axial", 0.2, 0.3)
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("tool") == "")
    person.tool("box")
    person.click("axial", *BOX[0])
    person.catch_up()
    assert person.state("prompts") == []
    person.prompt("axial", *BOX[1])
    assert len(person.state("prompts")) == 1


def test_turning_the_3d_view_with_a_tool_places_nothing(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    before = person.state("prompts")
    person.page.click("#surface")
    person.wait_until(lambda: colored_pixels(person.picture("surface")) > 1500)
    drag(person, "surface", (0.5, 0.5), (0.62, 0.42))
    person.click("surface", 0.5, 0.5)
    person.catch_up()
    person.wait_until(lambda: not person.state("is_working"))
    assert person.state("prompts") == before
    assert person.state("tool") == "positive"


def test_ticking_write_at_once_accepts_what_waits_and_switches_are_on_the_page(person: Person) -> None:
    person.page.uncheck("#auto-accept")
    person.tool("positive")
    person.click("axial", 0.33, 0.45)
    person.wait_until(lambda: person.state("has_preview"))
    person.page.check("#auto-accept")
    person.wait_until(lambda: not person.state("has_preview"))
    assert len(person.state("prompts")) == 1
    person.page.check("#refine")
    person.page.uncheck("#protect-others")
    person.wait_until(lambda: person.state("refine") and not person.state("protect_others"))
