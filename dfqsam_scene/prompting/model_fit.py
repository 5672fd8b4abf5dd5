"""Tool and switches follow the model: what it was not trained with is put down, and what takes seconds is asked for."""

from __future__ import annotations

from typing import Any, Protocol

from slicer.i18n import tr as _

from ..nodes.roles import NEEDS
from .choice import Choice
from .place_tool import PlaceTool
from .workspace import Workspace

PUT_OFF = _(
    "This model needs seconds for a slice: each is prepared when you prompt on it. "
    "To prepare the slices around it beforehand, tick Prepare neighbours."
)


class Room(Protocol):
    """The part of `Prompting` that is fitted to a model."""

    choice: Choice
    place_tool: PlaceTool | None

    def choose(self, **changes: Any) -> None:
        """Change fields of `choice`."""

    def say(self, text: str, is_error: bool = False) -> None:
        """Show a sentence."""


class ModelFit:
    """Changes a room once for each model that answers in it."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._model: Any = None
        self._is_put_off = False

    def follow(self, workspace: Workspace) -> None:
        """Fit the room to the model of its workspace, where that is another one than before."""
        if workspace.model is self._model:
            return
        self._model = workspace.model
        refuse = workspace.session.slices.conventions.why_refused
        is_put_off = self._put_off_encoding(getattr(workspace.model, "takes_seconds", False))
        tool = self._room.place_tool
        if tool is not None and tool.wanted in NEEDS and refuse(NEEDS[tool.wanted]):
            tool.choose(None)
        words = [refuse({"point", "box", "mask"}), PUT_OFF if is_put_off else ""]
        if any(words):
            self._room.say(" ".join(filter(None, words)))

    def _put_off_encoding(self, takes_seconds: bool) -> bool:
        """Switch encoding ahead off for a model that takes seconds a slice, and on again for the next that does not."""
        is_on = self._room.choice.encode_ahead
        if takes_seconds and is_on:
            self._is_put_off = True
            self._room.choose(encode_ahead=False)
            return True
        if not takes_seconds and self._is_put_off:
            self._is_put_off = False
            self._room.choose(encode_ahead=True)
        return False
