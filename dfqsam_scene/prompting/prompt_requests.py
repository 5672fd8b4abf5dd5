"""What a person asks of one segment on one slice: how its prompts shall change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.prompts import Prompt

Prompts = tuple[Prompt, ...]
Place = tuple[str, SliceKey]


@dataclass(frozen=True, eq=False)
class Request:
    """A change of the prompts of a segment on a slice; it is made of those that are there when its turn comes.

    place: segment ID and slice.
    """

    place: Place
    change: Callable[[Prompts], Prompts]


def with_requests(found: Mapping[Place, Prompts], requests: Iterable[Request]) -> dict[Place, Prompts]:
    """Prompts by segment and slice as they will be after these requests."""
    after = dict(found)
    for request in requests:
        with contextlib.suppress(PromptError):
            after[request.place] = request.change(after.get(request.place, ()))
    return after
