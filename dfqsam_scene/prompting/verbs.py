"""Everything that a person can do with prompts, by name: keys, buttons and the page ask for these and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.network.conventions import conventions_named
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.prompts import Prompt

from ..nodes.roles import NEEDS, ROLES
from ..nodes.shown_volume import show_where_hidden
from ..nodes.slice_views import show_slice
from .history import SegmentStep
from .prompting import Prompting
from .segment_verbs import SegmentVerbs
from .window_texts import DISPLAYED, check_window, displayed_window
from .workspace import Workspace

Verb = Callable[..., None]
_CANDIDATES = 3
_SWITCHES = {
    "auto accept": "auto_accept",
    "refine": "refine",
    "protect others": "protect_others",
    "encode ahead": "encode_ahead",
    "thorough": "thorough",
}


class Verbs(SegmentVerbs):
    """The verbs of a room; what one refuses becomes the room's notice.

    The methods raise DFQSAMError (or a child) with a sentence for people; those of `by_name` do not.
    """

    def __init__(self, room: Prompting) -> None:
        super().__init__(room)

    def by_name(self) -> dict[str, Verb]:
        """All verbs; `keys.KEYS` names some of them."""
        candidates = {f"candidate {n + 1}": partial(self.choose_candidate, n) for n in range(_CANDIDATES)}
        tools = {role: partial(self.toggle_tool, role) for role in ROLES}
        history = {
            "accept": "accept_preview",
            "discard": "discard_preview",
        }
        verbs: dict[str, Verb] = {
            **tools,
            **candidates,
            **{name: partial(self._with_controller, method) for name, method in history.items()},
            **{name: partial(self._switch, field) for name, field in _SWITCHES.items()},
            "remove prompt": self.remove_prompt,
            "clear slice": self.clear_slice,
            "cancel": self.cancel,
            "propagate": self.propagate,
            "undo": partial(self.move_history, forwards=False),
            "redo": partial(self.move_history, forwards=True),
            "starts here": partial(self.mark_end, "first"),
            "ends here": partial(self.mark_end, "last"),
            "next prompt": self.go_to_next_prompt,
            "add segment": self.add_segment,
            "choose segment": self.choose_segment,
            "next segment": self.next_segment,
            "rename segment": self.rename_segment,
            "recolor segment": self.recolor_segment,
            "clear segment": self.clear_segment,
            "toggle segments": self.toggle_segments,
            "remove segment": self.remove_segment,
            "go to prompt": self.go_to_prompt,
            "window": self.change_window,
            "model": self.change_model,
            "conventions": self.change_conventions,
            "continue work": self.continue_work,
            "discard work": self.discard_work,
        }
        return {name: partial(self._refusing, verb) for name, verb in verbs.items()}

    def toggle_tool(self, role: str) -> None:
        """Choose one of ROLES, or put that down; what it needs is made and opened."""
        self.choose_tool(None if self.room.tool == role else role)

    def choose_tool(self, role: str | None) -> None:
        """Let the mouse place this in the slice views, None for nothing."""
        if role is not None:
            self._require_known(role)
            show_where_hidden(self.room.require_volume_node())
            node = self.room.choice.segmentation_node
            if node is None or not node.GetSegmentation().GetNumberOfSegments():
                self.add_first_segment()
            self.room.follow(again=True)
        if self.room.place_tool is not None:
            self.room.place_tool.choose(role)

    def _require_known(self, role: str) -> None:
        """Raise PromptError for a tool of a kind that the model was not trained with."""
        workspace = self.room.workspace
        if workspace is not None and role in NEEDS:
            workspace.session.slices.conventions.check_prompts(NEEDS[role])

    def move_history(self, forwards: bool) -> None:
        """Take the last action back, or forwards repeat the one undone last; a segment that returns is chosen."""
        room, before = self.room, self._ids()
        if room.workspace is not None:
            controller = room.workspace.controller
            (controller.redo if forwards else controller.undo)()
        elif room.loader.waiting is not None and not forwards and room.loader.waiting.requests:
            room.loader.waiting.take_back()
        else:
            self._move_segment(forwards)
        back = [segment_id for segment_id in self._ids() if segment_id not in before]
        if len(back) == 1:
            room.choose(segment_id=back[0])

    def _move_segment(self, forwards: bool) -> None:
        """Without a workspace only what was done to the list of segments can be moved."""
        history = self.room.loader.history_of(self.room.choice)
        action = history.to_redo if forwards else history.to_undo
        if not action or not all(isinstance(step, SegmentStep) for step in action):
            self.room.require_workspace()
        for step in history.redo() if forwards else history.undo():
            if isinstance(step, SegmentStep):
                step.put(self.room.choice.segmentation_node, forwards)

    def _ids(self) -> list[str]:
        node = self.room.choice.segmentation_node
        return [] if node is None else list(node.GetSegmentation().GetSegmentIDs())

    def choose_candidate(self, candidate: int) -> None:
        """Use candidate 0, 1 or 2 of the present slice."""
        workspace, key, segment_id = self._here()
        if key is not None and segment_id:
            workspace.controller.choose_candidate(segment_id, key, candidate)

    def clear_slice(self) -> None:
        """Take back the prompts of the chosen segment on the present slice."""
        workspace, key, segment_id = self._here()
        if key is not None and segment_id:
            workspace.controller.clear_slice(segment_id, key)

    def remove_prompt(self, segment_id: str | None = None, prompt: Prompt | None = None) -> None:
        """Take one prompt back: this one, else the newest of the chosen segment on the present slice."""
        workspace, key, chosen = self._here()
        if segment_id is None or prompt is None:
            here = () if key is None else workspace.prompts_on(key)
            if not here:
                raise PromptError("This slice has no prompt of the chosen segment.")
            segment_id, prompt = chosen, here[-1]
        workspace.controller.remove_prompt(segment_id, prompt)

    def propagate(self, first: int | None = None, last: int | None = None) -> None:
        """Carry the segment to the slices first to last along the axis of the present view; without them, to all."""
        workspace, key, segment_id = self._here()
        if key is None or not segment_id:
            raise PromptError("Look at a slice with prompts of the chosen segment first.")
        end = workspace.session.volume.geometry.size_along(key.axis) - 1
        low, high = sorted((0 if first is None else int(first), end if last is None else int(last)))
        workspace.controller.propagate(segment_id, key.axis, max(low, 0), min(high, end))

    def mark_end(self, end: Literal["first", "last"]) -> None:
        """Say that the chosen segment starts ("first") or ends ("last") on the present slice, or take that back."""
        workspace, key, segment_id = self._here()
        if key is None or not segment_id:
            raise PromptError("Look at the slice on which the chosen segment starts or ends first.")
        workspace.controller.mark_end(segment_id, key, end)

    def go_to_next_prompt(self) -> None:
        """Show the slice on which a prompt would help most, by the last propagation."""
        place = self.room.require_workspace().controller.next_prompt
        if place is None:
            raise PromptError("Propagate first: then the slice is known on which a prompt would help most.")
        segment_id, key = place
        self.go_to_prompt(key.axis, key.index, segment_id)

    def cancel(self) -> None:
        """Stop what is worked on; when nothing is, put the tool down. A stroke that is being drawn is given up."""
        workspace = self.room.workspace
        if self.room.place_tool is not None:
            self.room.place_tool.give_up_drag()
        if workspace is not None and workspace.controller.is_busy:
            workspace.controller.cancel()
        else:
            self.choose_tool(None)

    def change_window(self, text: str) -> None:
        """Let the model see through a window: "auto", a preset's name, "WIDTH,LEVEL", or "displayed" for the view's."""
        node = self.room.require_volume_node()
        text = displayed_window(node) if text == DISPLAYED else str(text)
        check_window(text)
        self.room.choose(window=text)

    def change_model(self, path: Any, conventions: str = "") -> None:
        """Predict with the model of this file from now on, read anew where it has changed; prompts and masks stay.

        conventions: how it was trained, where somebody has said so.
        """
        self.room.choose(model_path=path, conventions=conventions)
        self.room.follow(again=True)

    def change_conventions(self, name: str) -> None:
        """Say how the chosen float checkpoint was trained: "sam", "medsam" or "sam-med2d"; "" for nothing said."""
        if name:
            conventions_named(name)
        self.room.choose(conventions=name)
        self.room.follow(again=True)

    def continue_work(self) -> Any:
        """Go on with what an earlier run left of this volume, in a segmentation of its own; returns its node."""
        room = self.room
        if room.keeping is None:
            raise PromptError("Work is not kept here.")
        node = room.keeping.take_up(room.loader.model)
        room.choose(segmentation_node=node, segment_id=next(iter(node.GetSegmentation().GetSegmentIDs()), ""))
        return node

    def discard_work(self) -> None:
        """Delete what an earlier run left of this volume."""
        if self.room.keeping is not None:
            self.room.keeping.discard()

    def go_to_prompt(self, axis: str, index: int, segment_id: str) -> None:
        """Show a slice in the views along its axis, and choose a segment."""
        workspace = self.room.require_workspace()
        self.choose_segment(segment_id)
        last = workspace.session.volume.geometry.size_along(axis) - 1
        show_slice(workspace.segments.volume_node, SliceKey(axis, min(max(int(index), 0), last)))

    def _here(self) -> tuple[Workspace, SliceKey | None, str]:
        workspace = self.room.require_workspace()
        return workspace, self.room.key, workspace.segment_id or ""

    def _switch(self, field: str, is_on: bool) -> None:
        self.room.choose(**{field: bool(is_on)})

    def _with_controller(self, method: str) -> None:
        getattr(self.room.require_workspace().controller, method)()

    def _refusing(self, verb: Verb, *arguments: Any) -> None:
        self.room.notice = ""
        try:
            verb(*arguments)
        except DFQSAMError as error:
            self.room.say(str(error), is_error=True)
        self.room.note_change()
