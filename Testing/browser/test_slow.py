"""On a slow computer nothing that a person does is lost, or done elsewhere: the viewer stands still meanwhile."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
from Testing.browser.test_session import LIVER, save
from Testing.support.viewer import Person, ViewerProcess

# A choice and a click on a picture, both at the viewer before it comes to the first of them.
CHOOSE_AND_CLICK = """
async ([segment, x, y, w, h]) => {
  const session = trame.client.getConnection().getSession();
  trame.trigger("do", ["choose segment", segment]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const event = {x: x * w, y: (1 - y) * h, w, h, shiftKey: 0, altKey: 0, ctrlKey: 0, metaKey: 0};
  for (const type of ["MouseMove", "LeftButtonPress", "LeftButtonRelease"])
    session.call("trame.rca.event", ["axial", "anonymous", {...event, type}]);
}
"""
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
# On a button in a view, say, which hears of it through the view.
PRESS_WITH_KEYBOARD = """
() => {
  const view = document.querySelector("#view-axial");
  let heard = 0;
  view.addEventListener("click", () => (heard += 1));
  view.click();
  return heard;
}
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


def change_elsewhere(person: Person) -> None:
    """Let the page draw itself anew for another reason."""
    person.page.evaluate("trame.state.set('least_part', trame.state.get('least_part') + 1)")
    person.page.evaluate("Vue.nextTick()")


def test_a_click_is_where_and_what_it_was_though_keys_follow_at_once(person: Person, viewer: ViewerProcess) -> None:
    person.tool("positive")
    index = person.state("views")["axial"]["index"]
    with busy(viewer):
        person.click("axial", *LIVER)
        person.page.keyboard.press("n")
        person.page.keyboard.press("ArrowUp")
    person.wait_until(lambda: person.state("views")["axial"]["index"] == index + 1 and person.state("prompts"))
    (prompt,) = person.state("prompts")
    assert (prompt["index"], prompt["text"][:7]) == (index, "Point +")
    assert person.state("tool") == "negative"


def test_keys_are_of_the_view_that_the_mouse_had_come_to(person: Person, viewer: ViewerProcess) -> None:
    person.page.mouse.move(*person.point_of("axial", 0.5, 0.5))
    person.wait_until(lambda: person.state("under_mouse"))
    before = {view: person.state("views")[view]["index"] for view in ("axial", "coronal")}
    with busy(viewer):
        for view in ("coronal", "axial"):
            person.page.mouse.move(*person.point_of(view, 0.4, 0.5), steps=4)
            person.page.mouse.move(*person.point_of(view, 0.5, 0.5), steps=4)
        person.page.keyboard.press("ArrowUp")
    person.catch_up()
    after = {view: person.state("views")[view]["index"] for view in ("axial", "coronal")}
    assert after == {**before, "axial": before["axial"] + 1}


def test_a_key_that_was_held_ends_when_it_is_let_go(person: Person, viewer: ViewerProcess) -> None:
    index = person.state("views")["axial"]["index"]
    with busy(viewer):
        for _ in range(10):
            person.page.keyboard.down("ArrowUp")
        person.page.keyboard.up("ArrowUp")
    person.catch_up()
    assert person.state("views")["axial"]["index"] - index in (1, 2)


def test_a_click_right_after_a_choice_is_for_the_chosen_segment(person: Person, viewer: ViewerProcess) -> None:
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.tool("positive")
    first, _ = person.state("segments")
    box = person.page.locator("#view-axial").bounding_box()
    with busy(viewer):
        person.page.evaluate(CHOOSE_AND_CLICK, [first["id"], *LIVER, box["width"], box["height"]])
    person.wait_until(lambda: person.state("prompts"))
    assert [prompt["segment"] for prompt in person.state("prompts")] == [first["id"]]


def test_escape_closes_what_was_opened_and_does_nothing_behind_it(person: Person, viewer: ViewerProcess) -> None:
    person.tool("positive")
    with busy(viewer):
        person.page.keyboard.press("ArrowUp")
        person.page.click("button[aria-label='Keys']")
        person.page.keyboard.press("Escape")
    person.catch_up()
    person.page.wait_for_timeout(300)
    assert (person.state("keys_shown"), person.state("tool")) == (False, "positive")
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-name")
    with busy(viewer):
        person.page.keyboard.press("Escape")
        person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("dialog") is None)
    person.catch_up()
    assert person.state("tool") == "positive"


def test_a_tool_brings_its_options_to_sight_after_a_tab_was_chosen(person: Person, viewer: ViewerProcess) -> None:
    with busy(viewer):
        person.page.keyboard.press("ArrowUp")
        person.page.click("#tab-hand")
        person.page.keyboard.press("p")
    person.wait_until(lambda: person.state("tool") == "positive")
    person.catch_up()
    person.page.wait_for_timeout(300)
    assert person.page.is_visible("#panel-mask")


@pytest.mark.parametrize("control", ["#view-axial .slider", "#opacity", "#brush-size"])
def test_each_press_counts_while_the_viewer_does_not_answer(
    person: Person, viewer: ViewerProcess, control: str
) -> None:
    person.page.click("#tab-hand")
    person.page.wait_for_selector("#brush-size", state="visible")
    before = float(person.page.input_value(control))
    step = float(person.page.get_attribute(control, "step") or 1)
    person.page.focus(control)
    with busy(viewer):
        for n in range(1, 4):
            person.page.keyboard.press("ArrowUp")
            change_elsewhere(person)
            assert float(person.page.input_value(control)) == before + n * step
    counts = {
        "#view-axial .slider": lambda: person.state("views")["axial"]["index"],
        "#opacity": lambda: person.state("opacity"),
        "#brush-size": lambda: person.state("brush")["size"],
    }
    person.wait_until(lambda: counts[control]() == before + 3 * step)
    assert float(person.page.input_value(control)) == before + 3 * step


def test_each_press_on_the_strip_counts_while_the_viewer_does_not_answer(person: Person, viewer: ViewerProcess) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    # A marked end brings the strip.
    person.do("starts here")
    person.page.wait_for_selector("#strip-axial")
    index = person.state("views")["axial"]["index"]
    person.page.focus("#strip-axial")
    with busy(viewer):
        for _ in range(3):
            person.page.keyboard.press("ArrowRight")
    person.catch_up()
    assert person.state("views")["axial"]["index"] == index + 3


def test_what_was_chosen_stays_chosen_while_the_viewer_does_not_answer(person: Person, viewer: ViewerProcess) -> None:
    with busy(viewer):
        person.page.select_option("#window", "lung")
        person.page.uncheck("#protect-others")
        change_elsewhere(person)
        assert person.page.input_value("#window") == "lung"
        assert not person.page.is_checked("#protect-others")
    person.wait_until(lambda: person.state("window_state")["text"] == "lung" and not person.state("protect_others"))
    # What is not done is not shown as done.
    person.page.evaluate("document.querySelector('#window').append(new Option('none such', 'none such'))")
    person.page.select_option("#window", "none such")
    person.wait_until(lambda: person.state("is_error"))
    person.wait_until(lambda: person.page.input_value("#window") == "lung")


def test_a_colour_is_not_taken_away_while_it_is_chosen(person: Person) -> None:
    color = ".segments input[type=color]"
    choose = "(field, value) => { field.value = value; field.dispatchEvent(new Event('input', {bubbles: true})) }"
    person.page.eval_on_selector(color, choose, "#123456")
    change_elsewhere(person)
    assert person.page.input_value(color) == "#123456"
    person.page.eval_on_selector(color, "field => field.dispatchEvent(new Event('change', {bubbles: true}))")
    person.wait_until(lambda: person.state("segments")[0]["color"] == "#123456")


def test_what_was_ticked_in_a_dialog_is_not_ticked_in_the_next(
    person: Person, viewer: ViewerProcess, tmp_path: Path
) -> None:
    (tmp_path / "there.nrrd").write_text("mine")
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-name")
    with busy(viewer):
        person.page.focus("#save-name")
        person.page.keyboard.press("Control+a")
        person.page.keyboard.type("there.nrrd")
        person.page.keyboard.press("Tab")
        person.page.keyboard.press("Space")
        person.page.keyboard.press("Tab")
        person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("dialog") is None)
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-replace")
    assert not person.page.is_checked("#save-replace")
    assert person.page.input_value("#save-name").endswith("-segments.seg.nrrd")


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


def test_saving_with_a_double_click_says_where_it_was_saved(person: Person, viewer: ViewerProcess) -> None:
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-name")
    with busy(viewer):
        person.page.dblclick("#save-now")
    person.catch_up()
    assert person.state("message").startswith("Saved: ")


def test_a_double_click_on_the_button_of_the_keys_shows_them(person: Person, viewer: ViewerProcess) -> None:
    with busy(viewer):
        person.page.dblclick("button[aria-label='Keys']")
    person.catch_up()
    assert person.state("keys_shown")


def test_two_quick_clicks_in_a_picture_are_two_prompts(person: Person) -> None:
    person.tool("positive")
    place = person.point_of("axial", *LIVER)
    person.page.mouse.click(*place)
    press_again(person, (place[0] + 3, place[1]))
    person.wait_until(lambda: len(person.state("prompts")) == 2 and not person.state("is_working"))


def test_a_page_that_is_loaded_again_while_the_viewer_stands_still_takes_keys(
    person: Person, viewer: ViewerProcess
) -> None:
    with person.page.expect_navigation(), busy(viewer):
        person.click("axial", 0.5, 0.5)
        person.page.keyboard.press("b")
        person.page.evaluate("location.reload()")
    person.page.wait_for_selector("#open")
    person.wait_until_idle()
    person.page.keyboard.press("n")
    person.wait_until(lambda: person.state("tool") == "negative")


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
    assert person.page.evaluate(PRESS_WITH_KEYBOARD) == 1


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
