"""Plays a recorded session at the page: a JSON of what a person did with mouse and keys, in the order it was done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .viewer import Person, colored_pixels

# A 3D model in its view; without one there is a crosshair.
SURFACE_PIXELS = 4000
LIVER_SESSION = Path(__file__).parents[1] / "data" / "liver_session.json"


def actions_of(path: Path) -> list[dict[str, Any]]:
    """The actions of a recorded session."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["actions"]
    return found


def replay(person: Person, actions: list[dict[str, Any]], picture: Callable[[str], None]) -> None:
    """Do each action as the person did, when what it set off before has ended; picture: keeps one under a name.

    tool: chosen. slice: shown, counted from 1. click: at a share of the view's width and height. name: of the chosen
    segment. key: pressed with the mouse in the axial view.
    """
    for action in actions:
        kind = action["do"]
        if kind == "tool":
            person.tool(action["tool"])
        elif kind == "slice":
            person.do("go", action["view"], action["slice"] - 1)
            person.wait_until(
                lambda action=action: person.state("views")[action["view"]]["index"] == action["slice"] - 1
            )
        elif kind == "click":
            person.prompt(action["view"], *action["at"])
        elif kind == "name":
            person.page.fill(".segments li.on .text", action["name"])
            person.page.keyboard.press("Enter")
            person.wait_until(lambda action=action: person.state("segments")[0]["name"] == action["name"])
        elif kind == "key":
            _press(person, action["key"])
        elif kind == "picture":
            person.wait_until_drawn()
            picture(action["file"])
        else:
            raise ValueError(f"A recorded session has no action {kind!r}.")


def _press(person: Person, key: str) -> None:
    """Press one of the keys that a session uses, and wait for what it does."""
    ends: dict[str, Callable[[], object]] = {
        "g": lambda: person.state("stops") and not person.state("is_working"),
        "w": lambda: person.state("place")["index"] == person.state("next_prompt")["index"],
        "v": lambda: person.state("surface_shown") and colored_pixels(person.picture("surface")) > SURFACE_PIXELS,
    }
    person.page.mouse.move(*person.point_of("axial", 0.5, 0.06))
    person.page.keyboard.press(key)
    # What an earlier propagation left is gone then.
    person.catch_up()
    person.wait_until(ends[key])
