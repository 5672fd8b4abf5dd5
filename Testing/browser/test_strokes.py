"""Scribble, lasso and 3D box on the page: drawn with the real mouse, listed, changed and taken back."""

from __future__ import annotations

from collections.abc import Sequence

from Testing.support.viewer import Person, colored_pixels

# Through and around the liver of the sample in the axial view, as shares of its width and height.
LINE = ((0.36, 0.42), (0.4, 0.5), (0.38, 0.58))
RING = ((0.3, 0.35), (0.46, 0.35), (0.46, 0.66), (0.3, 0.66))
BOX = ((0.37, 0.52), (0.47, 0.72))


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


def test_the_line_is_seen_while_it_is_drawn_and_escape_gives_it_up(person: Person) -> None:
    person.page.keyboard.press("l")
    person.wait_until(lambda: person.state("tool") == "lasso")
    before = colored(person)
    mouse = person.page.mouse
    mouse.move(*person.point_of("axial", *RING[0]))
    person.page.wait_for_timeout(100)
    mouse.down()
    for place in RING[1:3]:
        mouse.move(*person.point_of("axial", *place), steps=10)
    person.wait_until(lambda: colored(person) > before + 100)
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("tool") == "")
    mouse.move(*person.point_of("axial", *RING[3]), steps=4)
    mouse.up()
    person.wait_until(lambda: colored(person) <= before + 20)
    assert person.state("prompts") == []


def test_a_3d_box_prompts_many_slices_its_handles_change_them_and_each_change_is_one_undo(person: Person) -> None:
    first = prompt(person, "roi", BOX)
    person.wait_until(lambda: person.state("tool") == "")
    assert len(first) > 3
    assert all(text.startswith("Box (") for text in first)
    # The middle of the right side of the box.
    handle = (BOX[1][0], (BOX[0][1] + BOX[1][1]) / 2)
    person.page.wait_for_timeout(300)
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
