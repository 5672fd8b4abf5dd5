"""From prompted slices along the stack: each mask becomes the prompts of the next slice, until it makes no sense."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, PromptError
from ...progress import ProgressCallback, report
from ..slices import SliceFrame, SliceKey
from .mask_prompts import mask_prompts, shape_between
from .session import SliceEdit, SliceState, VolumeSession
from .slice_predictor import SlicePrediction

# Logits by which the stability of a mask is judged, as in SAM's automatic mask generator.
_STABILITY_OFFSET = 1.0
_NO_SEED = "the prompted slices have no mask"


@dataclass(frozen=True)
class PropagationConfig:
    """How a mask is carried on and when it stops; the defaults are measured (docs/propagation.md).

    box_margin: widening of the box on each side, as a share of its size. points, negative_points: clicks inside the
    mask, and outside it in the box. feed_mask: whether the logits of the slice before are given to the model as well.
    Propagation stops below min_predicted_iou (the model's own estimate), below min_overlap (IoU with the mask it came
    from), above max_area_ratio (growth or shrinkage from one slice to the next), and below min_stability (IoU of the
    mask at logits +1 and -1). Shares are 0..1. Raises ConfigError for values out of range.
    """

    box_margin: float = 0.0
    points: int = 0
    negative_points: int = 0
    feed_mask: bool = True
    min_predicted_iou: float = 0.6
    min_overlap: float = 0.6
    max_area_ratio: float = 2.0
    min_stability: float = 0.5

    def __post_init__(self) -> None:
        shares = (self.min_predicted_iou, self.min_overlap, self.min_stability)
        if not all(0 <= share <= 1 for share in shares) or not 0 <= self.box_margin <= 1:
            raise ConfigError(f"Thresholds and the box margin of a propagation are shares of 0 to 1, found {self}.")
        if self.max_area_ratio <= 1 or not 0 <= min(self.points, self.negative_points) <= 16:
            raise ConfigError(f"max_area_ratio must be above 1 and points 0 to 16, found {self}.")


@dataclass(frozen=True)
class Stop:
    """Where propagation in one direction ended: the last slice that got a mask, and why no further."""

    direction: int
    last_index: int
    reason: str


@dataclass(frozen=True, eq=False)
class PropagationResult:
    """edits: every slice that changed, in one undo step. stops: one downwards (-1), one upwards (+1)."""

    edits: tuple[SliceEdit, ...]
    stops: tuple[Stop, ...]


@dataclass(frozen=True, eq=False)
class PropagationPlan:
    """What a propagation found, before the session has it.

    label, axis, first, last: as given to `plan_propagation`. found: predictions by slice index. stops: the result's.
    """

    label: int
    axis: str
    first: int
    last: int
    found: dict[int, SlicePrediction]
    stops: tuple[Stop, ...]

    def states(self, session: VolumeSession) -> Iterator[tuple[SliceKey, SliceState]]:
        """What slices get, in order: what was found, nothing where only an earlier propagation found something.

        Slices with prompts of their own stay; each is looked at when its turn comes.
        """
        for index in range(self.first, self.last + 1):
            key, found = SliceKey(self.axis, index), self.found.get(index)
            present = session.state(self.label, key)
            if not present.prompts and (found or present.prediction):
                yield key, SliceState((), found)

    def apply(self, session: VolumeSession) -> PropagationResult:
        """Put the predictions into the session, in one undo step."""
        return PropagationResult(session.apply(self.label, dict(self.states(session))), self.stops)


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

    Outwards, the mask of each slice prompts the next. Between two prompted slices, the shape between their masks does,
    and stands in where the model disagrees with it. Prompted slices keep their masks; earlier propagated ones in the
    range are replaced. One undo step; Cancelled raised by `progress` leaves the session as it was.
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
    prompted = [index for index in session.prompted_slices(label, axis) if first <= index <= last]
    if not prompted:
        raise PromptError(
            f"Segment {label} has no prompts on the slices {first} to {last} along {axis}. Add one there."
        )
    run = _Run(session, label, axis, config or PropagationConfig(), last - first + 1 - len(prompted), progress)
    seeds = [index for index in prompted if session.mask(label, SliceKey(axis, index)).any()]
    if seeds:
        stops = run.outwards(seeds[0], first, -1), run.outwards(seeds[-1], last, 1)
    else:
        stops = Stop(-1, prompted[0], _NO_SEED), Stop(1, prompted[-1], _NO_SEED)
    for a, b in itertools.pairwise(seeds):
        run.between(a, b)
    report(progress, "propagate", run.total, run.total)
    return PropagationPlan(label, axis, first, last, run.found, stops)


class _Run:
    """One call of `propagate`: what it has found so far, without a change to the session."""

    def __init__(
        self,
        session: VolumeSession,
        label: int,
        axis: str,
        config: PropagationConfig,
        total: int,
        progress: ProgressCallback | None,
    ) -> None:
        self.session, self.label, self.axis, self.config = session, label, axis, config
        self.frame = SliceFrame.of(session.volume.geometry, axis)
        self.found: dict[int, SlicePrediction] = {}
        self.total = total
        self._progress = progress

    def outwards(self, seed: int, end: int, direction: int) -> Stop:
        """Predict slice after slice from `seed` to `end`, each from the one before, until one is refused."""
        before = self._given(seed)
        mask, reached = self._canonical(before), seed
        for index in range(seed + direction, end + direction, direction):
            prediction = self._predict(index, mask, before)
            found = self._canonical(prediction)
            reason = refusal(found, mask, prediction, self.config)
            if reason:
                return Stop(direction, reached, reason)
            self.found[index] = prediction
            mask, before, reached = found, prediction, index
        return Stop(direction, reached, "end of the range")

    def between(self, a: int, b: int) -> None:
        """Predict the slices between two seeds from the shapes between their masks."""
        first, second = self._canonical(self._given(a)), self._canonical(self._given(b))
        for index in range(a + 1, b):
            shape = shape_between(first, second, (index - a) / (b - a))
            if not shape.any():
                continue
            nearest = self._given(a if index - a <= b - index else b)
            prediction = self._predict(index, shape, nearest)
            if refusal(self._canonical(prediction), shape, prediction, self.config):
                prediction = self._interpolated(shape, nearest)
            self.found[index] = prediction

    def _predict(self, index: int, mask: np.ndarray, before: SlicePrediction) -> SlicePrediction:
        report(self._progress, "propagate", len(self.found), self.total, f"slice {self.axis} {index}")
        config = self.config
        prompts = mask_prompts(mask, self.frame, index, config.box_margin, config.points, config.negative_points)
        low_res = before.low_res_masks[before.chosen] if config.feed_mask else None
        return self.session.slices.predict(SliceKey(self.axis, index), prompts, low_res)

    def _given(self, seed: int) -> SlicePrediction:
        prediction = self.session.prediction(self.label, SliceKey(self.axis, seed))
        assert prediction is not None, "seeds have masks"
        return prediction

    def _canonical(self, prediction: SlicePrediction) -> np.ndarray:
        return self.frame.to_canonical(prediction.mask)

    def _interpolated(self, shape: np.ndarray, nearest: SlicePrediction) -> SlicePrediction:
        """A shape as a prediction of its own; the model has no estimate for it."""
        no_logits = np.zeros_like(nearest.low_res_masks[:1])
        return SlicePrediction.of(self.frame.to_storage(shape)[None], np.array([np.nan], np.float32), no_logits)


def refusal(
    mask: np.ndarray, expected: np.ndarray, prediction: SlicePrediction, config: PropagationConfig
) -> str | None:
    """Why `mask` does not continue `expected` (both (H, W) bool), or None when it does."""
    if not mask.any():
        return "the mask is empty"
    overlap = np.count_nonzero(mask & expected) / np.count_nonzero(mask | expected)
    ratio, stability = np.count_nonzero(mask) / np.count_nonzero(expected), _stability(prediction)
    checks = {
        f"predicted IoU {prediction.chosen_iou:.2f} below {config.min_predicted_iou}": prediction.chosen_iou
        < config.min_predicted_iou,
        f"overlap {overlap:.2f} below {config.min_overlap}": overlap < config.min_overlap,
        f"area changes {ratio:.2f} times": not 1 / config.max_area_ratio <= ratio <= config.max_area_ratio,
        f"stability {stability:.2f} below {config.min_stability}": stability < config.min_stability,
    }
    return next((reason for reason, refused in checks.items() if refused), None)


def _stability(prediction: SlicePrediction) -> float:
    logits = prediction.low_res_masks[prediction.chosen]
    outer = np.count_nonzero(logits > -_STABILITY_OFFSET)
    return np.count_nonzero(logits > _STABILITY_OFFSET) / outer if outer else 0.0
