"""What a click costs on the wire: counts, no times. `python tools/benchmark_viewer.py` measures those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.support.viewer import Person
from Testing.support.wire import Counts, Wire

from .test_session import LIVER

SECOND = (0.36, 0.40)
# One picture with the point, one with the mask, the two other planes, and each once more as it stays.
MOST_PICTURES, MOST_STATES = 9, 5


def counted(person: Person, wire: Wire, act: Any) -> Counts:
    """What comes from an action until a second has passed after it."""
    person.page.wait_for_timeout(1000)
    before = wire.now()
    act()
    person.page.wait_for_timeout(1000)
    return wire.now().since(before)


def test_a_click_sends_few_pictures_and_states(start: Any, browser: Any, model_path: Path, tmp_path: Path) -> None:
    viewer = start(resource_path(DEMO_VOLUME), "-m", model_path, "--root", tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    wire = Wire(page, viewer.process.pid)
    person = Person(page, viewer.address)
    person.wait_until_idle()
    person.do("encode ahead", False)
    person.tool("positive")
    person.prompt("axial", *LIVER)
    page.mouse.move(*person.point_of("axial", *SECOND))

    def click() -> None:
        page.mouse.down()
        page.mouse.up()
        person.wait_until(lambda: len(person.state("prompts")) == 2 and not person.state("is_working"))

    sent = counted(person, wire, click)
    assert 0 < sent.pictures <= MOST_PICTURES
    assert 0 < sent.states <= MOST_STATES
    nothing = counted(person, wire, lambda: None)
    assert (nothing.pictures, nothing.states) == (0, 0), "nothing happens, so nothing is sent"
    page.close()
