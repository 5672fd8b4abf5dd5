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


def quiet(person: Person, wire: Wire) -> Counts:
    """All so far, when nothing has come for a second."""
    seen = [wire.now()]

    def is_quiet() -> bool:
        person.page.wait_for_timeout(1000)
        seen.append(wire.now())
        return seen[-1].since(seen[-2]).bytes == 0

    person.wait_until(is_quiet)
    return seen[-1]


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

    before = quiet(person, wire)
    page.mouse.down()
    page.mouse.up()
    person.wait_until(lambda: len(person.state("prompts")) == 2 and not person.state("is_working"))
    after = quiet(person, wire)
    sent = after.since(before)
    assert 0 < sent.pictures <= MOST_PICTURES
    assert 0 < sent.states <= MOST_STATES
    page.wait_for_timeout(1000)
    nothing = wire.now().since(after)
    assert (nothing.pictures, nothing.states) == (0, 0), "nothing happens, so nothing is sent"
    page.close()
