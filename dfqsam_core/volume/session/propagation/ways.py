"""The ways along a stack that do not need each other: each is gone slice after slice, several of them at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ....runtime.together import together
from ...extent import Extent
from ...slices import SliceKey
from .chain import between, outwards
from .stack import Stack
from .stops import Stop


@dataclass(frozen=True)
class Way:
    """indices: of the slices, in the order in which they are predicted. go: predicts them in a stack."""

    indices: Sequence[int]
    go: Callable[[Stack], Stop | None]


def ways_from(seeds: Sequence[int], low: int, high: int, extent: Extent) -> list[Way]:
    """Return the ways to the slices `low` to `high`: down and up from the seeds, then between each two of them.

    seeds: slices with a mask of prompts, ascending, at least one.
    """
    down = Way(range(seeds[0] - 1, low - 1, -1), lambda stack: outwards(stack, seeds[0], low, -1, extent.first))
    up = Way(range(seeds[-1] + 1, high + 1), lambda stack: outwards(stack, seeds[-1], high, 1, extent.last))
    return [down, up, *(_inwards(a, b) for a, b in itertools.pairwise(seeds))]


def _inwards(a: int, b: int) -> Way:
    return Way(range(a + 1, b), lambda stack: between(stack, a, b))


def go_all(stack: Stack, ways: Sequence[Way]) -> tuple[Stop, ...]:
    """Predict the slices of all ways, one after the other where there is a single core; return their stops, in order.

    Raises what the first to fail raised; the others end at their next slice.
    """
    threads = min(stack.slices.at_once, sum(bool(way.indices) for way in ways))
    if threads < 2:
        return tuple(filter(None, [_go(stack, way) for way in ways]))

    def on_a_thread(way: Way) -> Stop | None:
        try:
            return _go(stack.for_another_thread(), way)
        except BaseException:
            stack.give_up()
            raise

    # The longest first, so that the last to end has little left alone.
    order = sorted(range(len(ways)), key=lambda n: -len(ways[n].indices))
    try:
        found = together([partial(on_a_thread, ways[n]) for n in order], threads)
    except BaseException:
        stack.give_up()
        raise
    return tuple(filter(None, [found[order.index(n)] for n in range(len(ways))]))


def _go(stack: Stack, way: Way) -> Stop | None:
    with stack.slices.ahead([SliceKey(stack.axis, index) for index in way.indices]):
        return way.go(stack)
