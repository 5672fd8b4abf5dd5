"""From prompted slices along the stack: between them, and beyond them as far as the object goes."""

from __future__ import annotations

from dataclasses import replace

from ....errors import PromptError
from ....progress import ProgressCallback, report
from ...extent import slice_index
from ...positions import check_axis
from ...slices import SliceKey
from ..session import VolumeSession
from .config import PropagationConfig
from .doubt import next_prompt, trust_in
from .plan import PropagationPlan, PropagationResult
from .planes import vote
from .stack import Stack
from .stops import NO_SEED, Stop
from .ways import go_all, ways_from


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

    Outwards, the mask of each slice prompts the next, moved as the images are, until it makes no sense. Where it is
    known on which slice the segment ends (`session.extents`), there is no stop before it and nothing beyond; the moved
    mask, smaller towards the end, stands in where the model disagrees with it. Between two prompted slices, the boxes
    between theirs are asked for, and the shape between their masks stands in likewise. Prompted slices keep their
    masks; earlier propagated ones in the range are replaced. One undo step.

    Parameters
    ----------
    session
        Its masks of the segment are changed, and nothing else.
    label
        Of the segment.
    axis
        "I", "J" or "K": across its slices.
    first, last
        Slices counted from 0, both included.
    config
        How the mask is carried on and when it stops; None for the measured defaults.
    progress
        Told of each slice; Cancelled raised by it leaves the session as it was.

    Returns
    -------
    PropagationResult
        The slices that changed, where it stopped and why, and the slice on which one more prompt would help most.

    Raises
    ------
    PromptError
        Where the range is not in the volume, lies beyond the ends or holds no prompted slice.
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
    """Return what `propagate` would do, without a change to the session, which others may read meanwhile."""
    check_axis(axis)
    first, last = slice_index(first), slice_index(last)
    if not 0 <= first <= last < session.volume.geometry.size_along(axis):
        raise PromptError(f"The volume has no slices {first} to {last} along {axis}.")
    extent = session.extents.of(label, axis)
    low, high = extent.within(first, last)
    prompted = [index for index in session.prompted_slices(label, axis) if low <= index <= high]
    if low > high:
        raise PromptError(f"The range {first} to {last} lies beyond the ends, {extent}. Change one of them.")
    if not prompted:
        ends = "" if (low, high) == (first, last) else ", between its ends"
        raise PromptError(
            f"The segment has no prompts on the slices {low} to {high} along {axis}{ends}. Add one there."
        )
    seeds = [index for index in prompted if session.mask(label, SliceKey(axis, index)).any()]
    config, total = config or PropagationConfig(), high - low + 1 - len(prompted)
    stack = Stack(session, label, axis, config, seeds, total, progress)
    stops: tuple[Stop, ...] = Stop(-1, prompted[0], NO_SEED), Stop(1, prompted[-1], NO_SEED)
    if seeds:
        stops = go_all(stack, ways_from(seeds, low, high, extent))
    report(progress, "propagate", total, total)
    if seeds and config.thorough:
        vote(stack)
    trust = trust_in(stack)
    found = {index: replace(stack.found[index], trust=one) for index, one in trust.items()}
    return PropagationPlan(label, axis, first, last, found, stops, next_prompt(stack, trust))
