"""Choosing delta and step of the logarithmic quantizer of a softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .quantizers import HALF_OCTAVE, logarithmic_codes, logarithmic_values
from .ranges import Ranges, nearest
from .side_by_side import side_by_side

# How far the values of a softmax quantizer reach down, in natural logarithms below the greatest.
SPANS = (4.0, 4.8, 5.6, 6.4, 7.2, 8.0, 9.0, 10.0)
DELTAS = 10


class SoftmaxSteps(Protocol):
    """Which steps between neighbouring values are tried."""

    def steps(self, bits: int) -> list[float]:
        """Natural logarithms of their ratio."""
        ...


class SearchedSteps:
    """One for each of SPANS (the adaptive base of AdaLog, arXiv 2407.12951)."""

    def steps(self, bits: int) -> list[float]:
        """The steps with which all codes but that of zero reach as far as the spans."""
        return [span / (2**bits - 2) for span in SPANS]


class HalfOctaveStep:
    """The step of RepQ-ViT (section 3.3)."""

    def steps(self, bits: int) -> list[float]:
        """Half an octave."""
        return [HALF_OCTAVE]


class SoftmaxSearch(Protocol):
    """How the quantizer of softmax(logits) is chosen."""

    def parameters(self, logits: Tensor, bits: int, dims: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Delta, one per index outside `dims`, and the common step (1,)."""
        ...


@dataclass(frozen=True)
class SoftmaxByOwnError:
    """The squared error of the probabilities alone decides, at a step of half an octave, as in RepQ-ViT."""

    ranges: Ranges

    def parameters(self, logits: Tensor, bits: int, dims: Sequence[int]) -> tuple[Tensor, Tensor]:
        """As in `SoftmaxSearch`; deltas are the upper ends of the ranges."""
        log_probability = logits.log_softmax(-1)
        probability, step = log_probability.exp(), logits.new_full((1,), HALF_OCTAVE)
        candidates = [(delta,) for _, delta in self.ranges.bounds(probability, dims)]
        (delta,) = nearest(probability, dims, candidates, lambda c: _restored(log_probability, c[0], step, bits))
        return delta, step


@dataclass(frozen=True)
class SoftmaxByRowError:
    """The step that errs least on a constant plus as much noise: errors of one sign within a row add up.

    threads: steps tried side by side; the result does not depend on them.
    """

    steps: SoftmaxSteps
    threads: int = 1

    def parameters(self, logits: Tensor, bits: int, dims: Sequence[int]) -> tuple[Tensor, Tensor]:
        """As in `SoftmaxSearch`."""
        log_probability, axes = logits.log_softmax(-1), tuple(dims)
        probability = log_probability.exp()
        top, power = probability.amax(axes, keepdim=True), probability.square().mean(axes, keepdim=True)
        deltas = torch.stack([top * math.exp(-shift / 4) for shift in range(DELTAS)])

        def best_delta(step: Tensor) -> tuple[float, Tensor, Tensor]:
            errors = []
            for delta in deltas:
                error = _restored(log_probability, delta, step, bits) - probability
                in_rows = error.sum(-1, keepdim=True).square() / error.shape[-1]
                errors.append(error.square().mean(axes, keepdim=True) + in_rows.mean(axes, keepdim=True))
            least, index = torch.stack(errors).min(0)
            return float((least / power).sum()), deltas.gather(0, index[None])[0], step

        steps = [logits.new_full((1,), step) for step in self.steps.steps(bits)]
        found = side_by_side(best_delta, steps, self.threads)
        return min(found, key=lambda candidate: candidate[0])[1:]


def _restored(log_probability: Tensor, delta: Tensor, step: Tensor, bits: int) -> Tensor:
    return logarithmic_values(logarithmic_codes(log_probability, delta, step, bits), delta, step, bits)
