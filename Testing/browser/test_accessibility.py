"""The page can be read and used by everyone: rules of axe-core, contrast, names of controls, keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Testing.browser.test_session import LIVER
from Testing.support.needs import skip_or_fail
from Testing.support.viewer import Person, ViewerProcess

OpenPage = Callable[..., Person]
# WCAG 2.2, level AA, contrast of 4.5:1 among them; and what axe-core's authors hold for good practice.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def axe(browser: Any) -> str:
    """The source of axe-core; where there is no browser, nothing asks for it."""
    try:
        import axe_playwright_python
    except ImportError:
        skip_or_fail("axe-core is not installed: pip install '.[browser-test]'")
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(person: Person, axe: str) -> list[str]:
    """One line for each element that breaks a rule: rule, element, reason."""
    person.page.evaluate(axe)
    found = person.page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary'].splitlines()[-1].strip()}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def at_work(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)


def by_hand(person: Person) -> None:
    person.tool("brush")
    person.wait_until(lambda: person.state("by_hand"))
    person.tool("ruler")
    person.draw("axial", (0.4, 0.3), (0.4, 0.6))
    person.page.wait_for_selector(".ruler")
    person.do("brush")
    person.wait_until(lambda: person.state("tool") == "brush")


def in_error(person: Person) -> None:
    person.do("surface")
    person.wait_until(lambda: person.state("is_error"))


def models(person: Person) -> None:
    person.page.click("text=Models")
    person.page.click(".models li >> nth=0")
    person.page.wait_for_selector("#terms")


def quantize(person: Person) -> None:
    person.page.click("text=Quantize")
    person.page.wait_for_selector("#recipe")


def saving(person: Person) -> None:
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-name")


def statistics(person: Person) -> None:
    at_work(person)
    person.page.click("#statistics")
    person.page.wait_for_selector("#sizes")


def keys(person: Person) -> None:
    person.page.keyboard.press("?")
    person.page.wait_for_selector(".keys")


def propagated(person: Person) -> None:
    at_work(person)
    person.page.keyboard.press("g")
    person.page.wait_for_selector("#strip-axial")


@pytest.mark.shares_the_viewer
@pytest.mark.parametrize("state", [at_work, propagated, by_hand, in_error, saving, statistics, keys])
def test_no_rule_of_axe_is_broken(person: Person, axe: str, state: Callable[[Person], None]) -> None:
    state(person)
    assert violations(person, axe) == []


@pytest.mark.parametrize("state", [models, quantize])
def test_no_rule_is_broken_on_the_pages_for_models(person: Person, axe: str, state: Callable[[Person], None]) -> None:
    state(person)
    assert violations(person, axe) == []


def test_no_rule_is_broken_on_the_welcome_page(
    start: Callable[..., ViewerProcess], open_page: OpenPage, axe: str, tmp_path: Path
) -> None:
    person = open_page(start("--root", tmp_path).address)
    person.page.wait_for_selector("#open-sample")
    assert violations(person, axe) == []


def focused(person: Person) -> str:
    """What the keys go to now, in a few words."""
    return str(
        person.page.evaluate(
            """() => { const e = document.activeElement;
            return e.id || e.getAttribute('aria-label') || e.title || e.innerText || e.tagName }"""
        )
    )


@pytest.mark.shares_the_viewer
@pytest.mark.parametrize("state", [at_work, by_hand])
def test_every_control_is_reached_by_tab_and_has_a_name(person: Person, state: Callable[[Person], None]) -> None:
    state(person)
    wanted: Any = person.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=button], [tabindex="0"]')]
        .filter((e) => e.offsetParent && !e.disabled)
        .map((e) => e.id || e.getAttribute('aria-label') || e.title || e.innerText)"""
    )
    assert all(wanted), wanted
    person.page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(3 * len(wanted)):
        person.page.keyboard.press("Tab")
        seen.append(focused(person))
        if set(wanted) <= set(seen):
            break
    assert set(wanted) - set(seen) == set()


@pytest.mark.shares_the_viewer
def test_lists_and_views_are_used_without_a_mouse(person: Person) -> None:
    at_work(person)
    index = person.state("views")["axial"]["index"]
    person.page.click("#add-segment")
    person.wait_until(lambda: [segment["chosen"] for segment in person.state("segments")] == [False, True])
    person.page.focus(".segments li:nth-child(1) .choose")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("segments")[0]["chosen"])
    person.do("go", "axial", index + 4)
    person.wait_until(lambda: person.state("views")["axial"]["index"] == index + 4)
    person.page.focus(".prompts li:nth-child(1) button")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("views")["axial"]["index"] == index)
    person.page.focus("#view-axial .slider")
    person.page.keyboard.press("ArrowRight")
    person.wait_until(lambda: person.state("views")["axial"]["index"] != index)


@pytest.mark.shares_the_viewer
@pytest.mark.parametrize("state", [at_work, by_hand])
def test_all_of_the_side_is_seen_on_a_small_screen(person: Person, state: Callable[[Person], None]) -> None:
    state(person)
    bottom = person.page.evaluate("document.querySelector('.side').getBoundingClientRect().bottom")
    lowest = person.page.evaluate("document.querySelector('#outline-only').getBoundingClientRect().bottom")
    assert lowest <= bottom
