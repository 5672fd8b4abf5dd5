"""What a person asks of one segment on one slice: how its prompts shall change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import BoxPrompt, SliceKey
from dfqsam_core.volume.prompts import Prompt

Prompts = tuple[Prompt, ...]


@dataclass(frozen=True, eq=False)
class Request:
    """A change of the prompts of a segment on a slice; it is made of those that are there when its turn comes."""

    segment_id: str
    key: SliceKey
    change: Callable[[Prompts], Prompts]


def with_prompt(prompts: Prompts, prompt: Prompt) -> Prompts:
    """Prompts and one more: a box replaces the earlier box, a point an equal one."""
    replaced = BoxPrompt if isinstance(prompt, BoxPrompt) else ()
    return (*(p for p in prompts if not isinstance(p, replaced) and p != prompt), prompt)


def without_prompt(prompts: Prompts, prompt: Prompt) -> Prompts:
    """Prompts but one; raises PromptError when it is not among them."""
    if prompt not in prompts:
        raise PromptError(f"The segment has no such prompt on its slice: {prompt}.")
    place = prompts.index(prompt)
    return prompts[:place] + prompts[place + 1 :]


def with_requests(
    found: Mapping[tuple[str, SliceKey], Prompts], requests: Iterable[Request]
) -> dict[tuple[str, SliceKey], Prompts]:
    """Prompts by segment and slice as they will be after these requests, without places that have none."""
    after = dict(found)
    for request in requests:
        place = request.segment_id, request.key
        with contextlib.suppress(PromptError):
            after[place] = request.change(after.get(place, ()))
    return {place: prompts for place, prompts in after.items() if prompts}
