"""From prompted slices along the stack: between them, and beyond them as far as the object goes."""

from __future__ import annotations

import itertools

from ....errors import PromptError
from ....progress import ProgressCallback, report
from ...slices import SliceKey
from ..session import VolumeSession
from .chain import between, outwards
from .config import PropagationConfig
from .ends import to_the_end
from .plan import PropagationPlan, PropagationResult
from .planes import vote
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

    Outwards, the mask of each slice prompts the next, moved as the images are, until it makes no sense; where it is
    known on which slice the segment ends (`session.extents`), boxes that taper towards that do, and beyond there is
    nothing. Between two prompted slices, the boxes between theirs do, and the shape between their masks stands in where
    the model disagrees with it. Prompted slices keep their masks; earlier propagated ones in the range are replaced.
    One undo step; Cancelled raised by `progress` leaves the session as it was.
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
    extent = session.extents.of(label, axis)
    low, high = extent.within(first, last)
    prompted = [index for index in session.prompted_slices(label, axis) if low <= index <= high]
    if not prompted:
        raise PromptError(f"Segment {label} has no prompts on the slices {low} to {high} along {axis}. Add one there.")
    stack = Stack(session, label, axis, config or PropagationConfig(), high - low + 1 - len(prompted), progress)
    seeds = [index for index in prompted if session.mask(label, SliceKey(axis, index)).any()]
    if seeds:
        stops = _reach(stack, seeds[0], low, extent.first, -1), _reach(stack, seeds[-1], high, extent.last, 1)
    else:
        stops = Stop(-1, prompted[0], NO_SEED), Stop(1, prompted[-1], NO_SEED)
    for a, b in itertools.pairwise(seeds):
        between(stack, a, b)
    report(progress, "propagate", stack.total, stack.total)
    if stack.config.thorough and seeds:
        vote(stack, seeds)
    return PropagationPlan(label, axis, first, last, stack.found, stops)


def _reach(stack: Stack, seed: int, reach: int, end: int | None, direction: int) -> Stop:
    """Predict the slices from `seed` to `reach`; end: of the object, None where that is not known."""
    if end is None:
        return outwards(stack, seed, reach, direction)
    return to_the_end(stack, seed, reach, end, direction)
