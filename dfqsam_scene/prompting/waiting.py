"""Prompts that are given while the model loads: shown at once, taken back one by one, answered when it is there."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from typing import Any

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.volume import BoxPrompt, PointPrompt, SliceKey, VolumeGeometry
from dfqsam_core.volume.brush import BrushStroke
from dfqsam_core.volume.prompts import Prompt, with_prompt, without_prompt

from ..nodes.markups import PromptMarkups
from ..nodes.outlines import PromptOutlines
from ..nodes.prompt_events import PromptEvents
from ..nodes.volume_node import read_volume_node
from .hand_edits import BrushEdit
from .prompt_requests import Place, Prompts, Request, with_requests


class WaitingPrompts:
    """Listens to the markups of a volume in place of a workspace, until that is open.

    requests: what was asked for, in order. segment_id: the segment that prompts go to. changed: called after each
    change. refuse: hears why something cannot be a prompt. later: as PromptOutlines has it.
    """

    def __init__(
        self,
        volume_node: Any,
        segmentation_node: Any,
        changed: Callable[[], None],
        refuse: Callable[[DFQSAMError], None],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        self.requests: list[Request] = []
        self.segment_id: str | None = None
        self.geometry: VolumeGeometry = read_volume_node(volume_node).geometry
        self._nodes = volume_node, segmentation_node
        self._changed = changed
        events = PromptEvents(self._chosen, self._add, self._remove, refuse, self._boxes, self._brushed, changed)
        self.markups = PromptMarkups(volume_node, events)
        self._outlines = PromptOutlines(volume_node, later)
        # Those that a scene brought stay where they are.
        self._before: dict[Place, Prompts] = {}
        for segment_id, prompt in self.markups.shown():
            place = segment_id, prompt.slice
            self._before[place] = (*self._before.get(place, ()), prompt)

    def is_on(self, volume_node: Any, segmentation_node: Any) -> bool:
        """Return whether it waits for a workspace on these nodes."""
        return self._nodes[0] is volume_node and self._nodes[1] is segmentation_node

    def prompts(self) -> dict[tuple[str, SliceKey], tuple[Prompt, ...]]:
        """All prompts by segment and slice, without those of segments that are gone."""
        present = self._nodes[1].GetSegmentation().GetSegmentIDs()
        found = with_requests(self._before, self.requests)
        return {place: prompts for place, prompts in found.items() if prompts and place[0] in present}

    def take_back(self) -> None:
        """Forget what was asked for last."""
        self.requests.pop()
        self._show()

    def close(self) -> tuple[Request, ...]:
        """Stop listening, and return what was asked for; the markups are then as they were before."""
        requests, self.requests = tuple(self.requests), []
        if self._nodes[0].GetScene() is not None:
            self._show()
        self.markups.close()
        self._outlines.close()
        return requests

    def _chosen(self) -> str:
        if self.segment_id is None:
            raise PromptError("No segment is chosen. Choose or add one, then place the prompt.")
        return self.segment_id

    def _add(self, segment_id: str, prompt: Prompt) -> None:
        self._ask(Request({(segment_id, prompt.slice): partial(with_prompt, prompt=prompt)}))

    def _remove(self, segment_id: str, prompt: Prompt) -> None:
        self._ask(Request({(segment_id, prompt.slice): partial(without_prompt, prompt=prompt)}))

    def _boxes(self, segment_id: str, boxes: tuple[BoxPrompt, ...], instead_of: Set[BoxPrompt]) -> None:
        self._ask(Request.of_boxes(segment_id, boxes, instead_of, "boxes"))

    def _brushed(self, segment_id: str, stroke: BrushStroke) -> None:
        self._ask(Request({}, edit=BrushEdit(segment_id, stroke)))

    def _ask(self, request: Request) -> None:
        is_other = [other.topic is None or other.topic != request.topic for other in self.requests]
        self.requests = [other for other, keep in zip(self.requests, is_other, strict=True) if keep]
        self.requests.append(request)
        self._show()

    def _show(self) -> None:
        pairs = [(segment_id, prompt) for (segment_id, _), found in self.prompts().items() for prompt in found]
        self.markups.show(pairs)
        self._outlines.show([prompt for _, prompt in pairs if not isinstance(prompt, PointPrompt)])
        self._changed()
