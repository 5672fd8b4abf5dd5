"""Propagation as it was before masks were moved by registration: what docs/measured/propagation.md compares with.

Outwards the box of each mask prompts the next slice as it is; between prompted slices the box of the shape between
their masks does. Settings and stops are those of that time.
"""

from __future__ import annotations

import itertools

import numpy as np

from dfqsam_core.volume import PropagationConfig, SliceKey, VolumeSession
from dfqsam_core.volume.session.mask_prompts import shape_between
from dfqsam_core.volume.session.propagation.stack import Stack
from dfqsam_core.volume.session.propagation.stops import refusal
from dfqsam_core.volume.session.session import SliceState

FORMER = PropagationConfig(min_predicted_iou=0.6, min_overlap=0.6, min_stability=0.5, min_likeness=0)


def propagate_formerly(session: VolumeSession, label: int, axis: str, first: int, last: int) -> None:
    """Carry a segment from its prompted slices to `first` to `last` as that version did."""
    seeds = [k for k in session.prompted_slices(label, axis) if session.mask(label, SliceKey(axis, k)).any()]
    stack = Stack(session, label, axis, FORMER, seeds, last - first + 1, None)
    if seeds:
        _outwards(stack, seeds[0], range(seeds[0] - 1, first - 1, -1))
        _outwards(stack, seeds[-1], range(seeds[-1] + 1, last + 1))
    for a, b in itertools.pairwise(seeds):
        _between(stack, a, b)
    session.apply(label, {SliceKey(axis, k): SliceState((), found) for k, found in stack.found.items()})


def _outwards(stack: Stack, seed: int, slices: range) -> None:
    before = stack.seed(seed)
    mask = stack.mask(before)
    for index in slices:
        prediction = stack.ask_for_mask(index, mask, before)
        found = stack.mask(prediction)
        if refusal(found, mask, prediction, FORMER):
            return
        stack.found[index] = before = prediction
        mask = found


def _between(stack: Stack, a: int, b: int) -> None:
    first, second = stack.seed(a), stack.seed(b)
    for index in range(a + 1, b):
        shape = shape_between(stack.mask(first), stack.mask(second), (index - a) / (b - a))
        if np.any(shape):
            nearest = first if index - a <= b - index else second
            prediction = stack.ask_for_mask(index, shape, nearest)
            refused = refusal(stack.mask(prediction), shape, prediction, FORMER)
            stack.found[index] = stack.shape_alone(shape, nearest) if refused else prediction
