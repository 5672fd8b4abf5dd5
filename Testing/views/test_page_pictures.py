"""Pictures for the page: drawn once for all that changed in a moment, sent where they look different, in good order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from Testing.support.phantom import world_of


class Page:
    """Hears what is sent; names: of the views, in order."""

    def __init__(self, world: Any) -> None:
        from dfqsam_viewer.pictures import Pictures

        self.sent: list[tuple[str, int]] = []
        views = {name: (viewport.view, self._push(name)) for name, viewport in world.views.items()}
        self.pictures = Pictures(views)
        self.pictures.worked_in = lambda: "Green"
        self.loop = asyncio.new_event_loop()

    def _push(self, name: str) -> Any:
        return lambda content, meta: self.sent.append((name, meta["quality"]))

    def wait(self, seconds: float = 1.5) -> list[tuple[str, int]]:
        """Let the pictures run for a while; returns what was sent meanwhile."""
        before = len(self.sent)

        async def run() -> None:
            task = self.loop.create_task(self.pictures.run())
            await asyncio.sleep(seconds)
            assert not task.done()
            task.cancel()

        self.loop.run_until_complete(run())
        return self.sent[before:]


@pytest.fixture
def page(world: Any, a_volume_node: Any) -> Iterator[Page]:
    from Testing.support.slice_views import _WhenAsked

    found = Page(world)
    yield found
    found.loop.close()
    for viewport in world.views.values():
        viewport.view.set_scheduled_render(_WhenAsked())


def moving(sent: list[tuple[str, int]]) -> list[str]:
    return [name for name, quality in sent if quality == 80]


def test_many_changes_of_a_moment_are_one_picture_and_one_that_stays(page: Page) -> None:
    for _ in range(20):
        page.pictures.ask("Red")
    assert page.wait() == [("Red", 80), ("Red", 92)]
    assert page.pictures.drawn == 1


def test_a_picture_that_looks_the_same_is_not_sent(page: Page) -> None:
    page.pictures.ask("Red")
    page.wait()
    page.pictures.ask("Red")
    assert page.wait() == []
    assert page.pictures.drawn == 2


def test_where_somebody_works_comes_first(page: Page) -> None:
    for name in ("Red", "Yellow", "Green"):
        page.pictures.ask(name)
    assert moving(page.wait())[0] == "Green"


def test_while_an_answer_is_awaited_the_other_views_wait_but_not_for_ever(page: Page) -> None:
    page.pictures.is_awaited = lambda: True
    for name in ("Red", "Yellow", "Green"):
        page.pictures.ask(name)
    assert moving(page.wait(0.2)) == ["Green"]
    assert set(moving(page.wait())) == {"Red", "Yellow"}


def test_a_picture_leaves_before_the_next_view_is_drawn(page: Page) -> None:
    """What is sent takes a few turns of the loop to get to the socket."""
    order: list[str] = []

    async def leave(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        order.append(f"{name} left")

    def push(name: str) -> Any:
        return lambda content, meta: page.loop.create_task(leave(name))

    draw = page.pictures._draw
    for name, picture in page.pictures._pictures.items():
        picture.push = push(name)

    def drawn(view: Any) -> Any:
        name = next(name for name, picture in page.pictures._pictures.items() if picture.view is view)
        order.append(f"{name} drawn")
        return draw(view)

    page.pictures._draw = drawn
    page.pictures.ask("Green")
    page.pictures.ask("Red")
    page.wait()
    # Each is sent once more as it stays.
    assert order[:4] == ["Green drawn", "Green left", "Red drawn", "Red left"]


def test_a_slice_that_is_shown_is_drawn(page: Page, world: Any, phantom: Any) -> None:
    page.pictures.ask("Red")
    page.wait()
    world.views["Red"].go_to(world_of(phantom[1], (15, 18, 10)))
    assert "Red" in moving(page.wait())


def test_one_picture_that_fails_does_not_end_the_others(page: Page) -> None:
    failed: list[Exception] = []
    page.pictures.failed = failed.append
    page.pictures._pictures["Red"].view = None
    page.pictures.ask("Red")
    page.pictures.ask("Yellow")
    assert moving(page.wait()) == ["Yellow"]
    assert len(failed) == 1
