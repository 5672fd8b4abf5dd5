"""In which order a propagation needs slices, so that they can be encoded ahead of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ...slices import SliceKey


def propagation_order(seeds: Sequence[int], axis: str, first: int, last: int) -> list[SliceKey]:
    """The slices `first` to `last` that `propagate` predicts from `seeds`: down and up from them, then between.

    seeds: slices with a mask of prompts, in ascending order, at least one.
    """
    between = [index for a, b in itertools.pairwise(seeds) for index in range(a + 1, b)]
    order = [*range(seeds[0] - 1, first - 1, -1), *range(seeds[-1] + 1, last + 1), *between]
    return [SliceKey(axis, index) for index in order]
