"""What a propagation found, and what the session gets of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...slices import SliceKey
from ..session import SliceEdit, SliceState, VolumeSession
from ..slice_predictor import SlicePrediction
from .stops import Stop


@dataclass(frozen=True, eq=False)
class PropagationResult:
    """edits: every slice that changed, in one undo step. stops: one downwards (-1), one upwards (+1).

    next_prompt: index of the slice on which one more prompt would help most, None where nothing was found.
    """

    edits: tuple[SliceEdit, ...]
    stops: tuple[Stop, ...]
    next_prompt: int | None = None


@dataclass(frozen=True, eq=False)
class PropagationPlan:
    """The result of a propagation, before the session has it.

    label, axis, first, last: as given to `plan_propagation`. found: predictions by slice index, each with its trust.
    stops, next_prompt: the result's.
    """

    label: int
    axis: str
    first: int
    last: int
    found: dict[int, SlicePrediction]
    stops: tuple[Stop, ...]
    next_prompt: int | None = None

    def states(self, session: VolumeSession) -> Iterator[tuple[SliceKey, SliceState]]:
        """Return what slices get, in order: what was found, nothing where only an earlier propagation found something.

        Slices with prompts of their own stay; each is looked at when its turn comes.
        """
        for index in range(self.first, self.last + 1):
            key, found = SliceKey(self.axis, index), self.found.get(index)
            present = session.state(self.label, key)
            if not present.prompts and (found or present.prediction):
                yield key, SliceState((), found)

    def apply(self, session: VolumeSession) -> PropagationResult:
        """Put the predictions into the session, in one undo step."""
        return PropagationResult(session.apply(self.label, dict(self.states(session))), self.stops, self.next_prompt)
