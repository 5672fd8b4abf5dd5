"""From prompted slices along the stack: each mask becomes the prompts of the next slice, until it makes no sense."""

from __future__ import annotations

import itertools

from ....errors import PromptError
from ....progress import ProgressCallback, report
from ...slices import SliceKey
from ..session import VolumeSession
from .chain import between, outwards
from .config import PropagationConfig
from .plan import PropagationPlan, PropagationResult
from .stack import Stack
from .stops import NO_SEED, Stop


def propagate(
    session: VolumeSession,
    label: int,
    axis: str,
    first: int,
    last: int,
    config: PropagationConfig | None = None,
    progress: ProgressCallback | None = None,
) -> PropagationResult:
    """Carry a segment from its prompted slices to the slices `first` to `last` (both included) along `axis`.

    Outwards, the mask of each slice prompts the next, moved as the images are. Between two prompted slices, the boxes
    between theirs do, and the shape between their masks stands in where the model disagrees with it. Prompted slices
    keep their masks; earlier propagated ones in the range are replaced, and beyond the segment's ends
    (`session.extents`) there is nothing. One undo step; Cancelled raised by `progress` leaves the session as it was.
    Raises PromptError where the range is not in the volume or holds no prompted slice.
    """
    return plan_propagation(session, label, axis, first, last, config, progress).apply(session)


def plan_propagation(
    session: VolumeSession,
    label: int,
    axis: str,
    first: int,
    last: int,
    config: PropagationConfig | None = None,
    progress: ProgressCallback | None = None,
) -> PropagationPlan:
    """What `propagate` would do, without a change to the session: it may run in a thread while others read that."""
    if not 0 <= first <= last < session.volume.geometry.size_along(axis):
        raise PromptError(f"The volume has no slices {first} to {last} along {axis}.")
    low, high = session.extents.of(label, axis).within(first, last)
    prompted = [index for index in session.prompted_slices(label, axis) if low <= index <= high]
    if not prompted:
        raise PromptError(f"Segment {label} has no prompts on the slices {low} to {high} along {axis}. Add one there.")
    stack = Stack(session, label, axis, config or PropagationConfig(), high - low + 1 - len(prompted), progress)
    seeds = [index for index in prompted if session.mask(label, SliceKey(axis, index)).any()]
    if seeds:
        stops = outwards(stack, seeds[0], low, -1), outwards(stack, seeds[-1], high, 1)
    else:
        stops = Stop(-1, prompted[0], NO_SEED), Stop(1, prompted[-1], NO_SEED)
    for a, b in itertools.pairwise(seeds):
        between(stack, a, b)
    report(progress, "propagate", stack.total, stack.total)
    return PropagationPlan(label, axis, first, last, stack.found, stops)
