"""On a slow computer nothing that a person does is lost, or done elsewhere: the viewer stands still meanwhile."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
from Testing.browser.test_session import LIVER, save
from Testing.support.viewer import Person, ViewerProcess

# As soon as there is a button to cancel with: a propagation may be over before a test's next order.
PRESS_CANCEL_AGAIN = """
([clientX, clientY]) => new MutationObserver((_, observer) => {
  const button = document.querySelector("#cancel"), at = {clientX, clientY, bubbles: true, cancelable: true};
  if (!button) return;
  observer.disconnect();
  button.dispatchEvent(new PointerEvent("pointerdown", at));
  button.dispatchEvent(new MouseEvent("click", {...at, detail: 2}));
  window.isPressed = true;
}).observe(document.body, {childList: true, subtree: true})
"""


@contextlib.contextmanager
def busy(viewer: ViewerProcess) -> Iterator[None]:
    """The viewer answers nothing meanwhile."""
    viewer.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        viewer.process.send_signal(signal.SIGCONT)


def ask(person: Person, *actions: tuple[Any, ...]) -> None:
    """Ask for actions at once, without waiting for any."""
    words = [list(action) for action in actions]
    person.page.evaluate("actions => { for (const words of actions) trame.trigger('do', words) }", words)


def test_labels_that_are_chosen_with_a_double_click_are_no_volume(person: Person, viewer: ViewerProcess) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    save(person, "labels.nrrd")
    before = person.state("volume")
    person.do("open labels")
    person.page.wait_for_selector(".files li[data-name='labels.nrrd']")
    with busy(viewer):
        person.page.dblclick(".files li[data-name='labels.nrrd'] button")
    person.wait_until(lambda: person.state("message").startswith("labels.nrrd is open."))
    person.page.wait_for_timeout(500)
    assert person.state("volume") == before


def press_again(person: Person, place: tuple[float, float]) -> None:
    """The second press of a double click."""
    person.page.mouse.move(*place)
    person.page.mouse.down(click_count=2)
    person.page.mouse.up(click_count=2)


def middle(person: Person, selector: str) -> tuple[float, float]:
    box = person.page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_double_click_on_a_folder_opens_nothing_in_it(person: Person, tmp_path: Path) -> None:
    # The first of the list, and what comes in its place.
    (tmp_path / "a").mkdir()
    shutil.copy(resource_path(DEMO_VOLUME), tmp_path / "a" / "another.nii.gz")
    person.page.keyboard.press("Control+o")
    place = middle(person, ".files li[data-name='a']")
    person.page.mouse.click(*place)
    person.page.wait_for_selector(".files li[data-name='another.nii.gz']")
    press_again(person, place)
    person.catch_up()
    assert person.state("dialog")["folder"] == str(tmp_path / "a")


def test_a_double_click_on_open_leaves_the_dialog_open_and_one_on_cancel_places_nothing(person: Person) -> None:
    person.tool("positive")
    # However long the dialog takes to come and go.
    person.page.evaluate("Object.defineProperty(Event.prototype, 'timeStamp', {get: () => 0})")
    place = middle(person, "#open")
    person.page.mouse.click(*place)
    person.page.wait_for_selector(".dialog")
    press_again(person, place)
    person.catch_up()
    assert person.state("dialog") is not None
    place = middle(person, ".dialog button:has-text('Cancel')")
    person.page.mouse.click(*place)
    person.wait_until(lambda: person.page.locator(".veil").count() == 0)
    press_again(person, place)
    person.catch_up()
    assert person.state("prompts") == []


def test_a_double_click_on_propagate_does_not_cancel_it(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    place = middle(person, "#propagate")
    person.page.evaluate(PRESS_CANCEL_AGAIN, place)
    person.page.mouse.click(*place)
    person.wait_until(lambda: person.state("stops") or person.state("message") == "Cancelled.")
    assert person.page.evaluate("window.isPressed")
    assert person.state("stops")


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
