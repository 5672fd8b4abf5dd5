"""In which order a propagation needs slices, so that they can be encoded ahead of it."""

from __future__ import annotations

import itertools

from ...slices import SliceKey
from ..session import VolumeSession


def propagation_order(session: VolumeSession, label: int, axis: str, first: int, last: int) -> list[SliceKey]:
    """The slices `first` to `last` that `propagate` predicts: down and up from the segment's masks, then between."""
    given = [index for index in session.prompted_slices(label, axis) if first <= index <= last]
    seeds = [index for index in given if session.prediction(label, SliceKey(axis, index))]
    if not seeds:
        return []
    between = [index for a, b in itertools.pairwise(seeds) for index in range(a + 1, b)]
    order = [*range(seeds[0] - 1, first - 1, -1), *range(seeds[-1] + 1, last + 1), *between]
    return [SliceKey(axis, index) for index in order]
