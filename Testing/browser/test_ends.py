"""On the page: marked ends, the next prompt, and what thorough costs."""

from __future__ import annotations

from Testing.support.viewer import Person

from .test_session import KIDNEY_BOX


def test_marked_ends_are_kept_to_and_the_next_prompt_is_one_key_away(person: Person) -> None:
    person.tool("box")
    person.click("axial", *KIDNEY_BOX[0])
    person.catch_up()
    person.prompt("axial", *KIDNEY_BOX[1])
    place = person.state("place")
    person.page.keyboard.press("Home")
    person.wait_until(lambda: person.state("ends")["first"] == place["index"])
    assert person.page.inner_text("#starts") == f"Starts: {place['index'] + 1}"
    for _ in range(3):
        person.page.keyboard.press("ArrowUp")
    person.wait_until(lambda: person.state("place")["index"] == place["index"] + 3)
    person.page.keyboard.press("End")
    person.wait_until(lambda: person.state("ends")["last"] == place["index"] + 3)
    assert person.page.is_disabled("#next_prompt")
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops"))
    assert f"up to slice {place['index'] + 4}: end of the object" in person.state("stops")[1]
    offered = person.state("next_prompt")
    assert place["index"] < offered["index"] <= place["index"] + 3
    person.page.keyboard.press("w")
    person.wait_until(lambda: person.state("place")["index"] == offered["index"])
    person.page.check("#thorough")
    person.wait_until(lambda: "more slices" in person.state("thorough_cost"))
    assert person.errors == []
