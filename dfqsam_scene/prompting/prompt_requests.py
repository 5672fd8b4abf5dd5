"""What a person asks of one segment: how its prompts shall change, on one slice or on several."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, SliceKey
from dfqsam_core.volume.prompts import Prompt, with_prompt

from .hand_edits import HandEdit

Prompts = tuple[Prompt, ...]
Place = tuple[str, SliceKey]


@dataclass(frozen=True, eq=False)
class Request:
    """A change of the prompts of one segment on some slices; it is made of those that are there when its turn comes.

    changes: by segment ID and slice; those of several slices are predicted together and are one undo step. topic: a
    later request of a topic is made instead of an earlier one that waits or is worked on; None: of none. is_reset: what
    was predicted there goes, too, and not only what these prompts gave. edit: made by hand instead of a change.
    """

    changes: Mapping[Place, Callable[[Prompts], Prompts]]
    topic: Hashable = None
    is_reset: bool = False
    edit: HandEdit | None = None

    @classmethod
    def of_boxes(cls, segment_id: str, boxes: Sequence[BoxPrompt], instead_of: Set[BoxPrompt], topic: str) -> Request:
        """A box on each of some slices, instead of other boxes there or elsewhere."""
        new = {box.slice: box for box in boxes}
        keys = dict.fromkeys([*new, *(box.slice for box in instead_of)])
        return cls({(segment_id, key): partial(_with_box, new.get(key), instead_of) for key in keys}, topic)


def with_requests(found: Mapping[Place, Prompts], requests: Iterable[Request]) -> dict[Place, Prompts]:
    """Prompts by segment and slice as they will be after these requests."""
    after = dict(found)
    for request in requests:
        for place, change in request.changes.items():
            with contextlib.suppress(PromptError):
                after[place] = change(after.get(place, ()))
    return after


def _with_box(box: BoxPrompt | None, instead_of: Set[BoxPrompt], prompts: Prompts) -> Prompts:
    if box in prompts:
        return prompts
    kept = tuple([prompt for prompt in prompts if prompt not in instead_of])
    return kept if box is None else with_prompt(kept, box)
