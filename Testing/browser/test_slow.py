"""On a slow computer nothing that a person does is lost, or done elsewhere: the viewer stands still meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from dfqsam_core.resources import DEMO_MODEL, resource_path
from Testing.support.viewer import Person


def ask(person: Person, *actions: tuple[Any, ...]) -> None:
    """Ask for actions at once, without waiting for any."""
    words = [list(action) for action in actions]
    person.page.evaluate("actions => { for (const words of actions) trame.trigger('do', words) }", words)


def test_a_model_is_added_though_a_card_is_looked_at_meanwhile(person: Person, tmp_path: Path) -> None:
    shutil.copy(resource_path(DEMO_MODEL), tmp_path / "mine.safetensors")
    person.page.click(".pages button:has-text('Models')")
    person.wait_until(lambda: person.state("models"))
    embedded = person.state("models")[0]["path"]
    ask(person, ("add model",), ("model path", str(tmp_path / "mine.safetensors")), ("show card", embedded))
    person.wait_until(lambda: person.state("card") and str(tmp_path / "mine.safetensors") in listed(person))


def listed(person: Person) -> list[str]:
    return [model["path"] for model in person.state("models")]


# What is under the mouse where the button is, at first and later.
OFFER = """
async () => {
  trame.state.set("offer", "Work was kept.");
  await Vue.nextTick();
  const offer = document.querySelector("#offer"), box = document.querySelector("#discard-work").getBoundingClientRect();
  const isThere = () => offer.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
  const before = isThere();
  offer.getAnimations().forEach((animation) => animation.finish());
  return [before, isThere()];
}
"""


def test_an_offer_that_comes_up_under_the_mouse_takes_no_click_at_first(person: Person) -> None:
    assert person.page.evaluate(OFFER) == [False, True]
