"""Searching the ranges of quantizers: by error at a layer's output, or by quantiles as RepQ-ViT does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config import CalibrationConfig
from .quantizers import HALF_OCTAVE, logarithmic_codes, logarithmic_values, uniform_codes, uniform_parameters

QUANTILES = (0.999, 0.9999, 0.99999)
# How far the values of a softmax quantizer reach down, in natural logarithms below the greatest.
SOFTMAX_SPANS = (4.0, 4.8, 5.6, 6.4, 7.2, 8.0, 9.0, 10.0)
SOFTMAX_DELTAS = 10
# Shares of its lower end that a two-sided range is tried with.
LOW_ENDS = (1.0, 0.7, 0.4, 0.1)


@dataclass(frozen=True)
class RangeSearch:
    """How to search, and the threads that may try candidates side by side (the result does not depend on them).

    method: "output_error", "quantile" or "full". The rest: see `CalibrationConfig`.
    """

    method: str
    candidates: int
    rows: int
    threads: int = 1
    two_sided: bool = False
    softmax_step: str = "searched"

    @classmethod
    def of(cls, settings: CalibrationConfig, threads: int) -> RangeSearch:
        """The search for activations that `settings` ask for."""
        names = ("candidates", "rows", "two_sided", "softmax_step")
        return cls(settings.range_search, threads=threads, **{name: getattr(settings, name) for name in names})

    def best(self, error: Callable[[int], float], count: int) -> int:
        """Index of the least `error(index)`, the first one among equals."""
        with ThreadPoolExecutor(self.threads) as pool:
            return int(np.argmin(list(pool.map(error, range(count)))))


def draw_rows(x: Tensor, count: int) -> Tensor:
    """At most `count` rows of x (N, C), evenly spaced."""
    if len(x) <= count:
        return x
    return x[torch.linspace(0, len(x) - 1, count).round().long().to(x.device)]


def quantile_bounds(x: Tensor, quantile: float, dims: Sequence[int] | None) -> tuple[Tensor, Tensor]:
    """Bounds (1 - quantile, quantile) of x over `dims` (None: all), keeping dimensions.

    Numpy's selection is used because torch refuses more than 16 M elements.
    """
    axes = tuple(dims) if dims is not None else None
    low, high = np.quantile(x.detach().cpu().numpy(), [1 - quantile, quantile], axis=axes, keepdims=True)
    return (torch.as_tensor(v, dtype=x.dtype, device=x.device) for v in (low, high))  # type: ignore[return-value]


def candidate_bounds(x: Tensor, dims: Sequence[int] | None, search: RangeSearch) -> list[tuple[Tensor, Tensor]]:
    """Ranges to try: three quantiles, the full range, or `candidates` even shrinkings of it down to a fifth.

    Two-sided, the upper end shrinks with each of LOW_ENDS of the lower one: behind a GELU most values lie in a small
    negative range, which is worth a code of its own when the upper end is cut.
    """
    if search.method == "quantile":
        return [tuple(quantile_bounds(x, q, dims)) for q in QUANTILES]  # type: ignore[misc]
    axes = tuple(range(x.dim())) if dims is None else tuple(dims)
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    if search.method == "full":
        return [(low, high)]
    shares = torch.linspace(1.0, 0.2, search.candidates).tolist()
    if search.two_sided:
        return [(low * lower, high * upper) for upper in shares for lower in LOW_ENDS]
    return [(low * share, high * share) for share in shares]


def search_input_range(
    x: Tensor, bits: int, per_channel: bool, product: Callable[[Tensor], Tensor], search: RangeSearch
) -> tuple[Tensor, Tensor]:
    """Scale and zero point of a layer's input x: per channel (1, C) of x (N, C), else one for all of x, any shape.

    product: the layer without bias; the candidate with the least squared error of product(x) is kept, or of x itself
    when the method is "quantile" (then each channel chooses for itself).
    """
    if search.method == "quantile":
        return search_tensor_range(x, bits, (0,) if per_channel else range(x.dim()), search)
    bounds = candidate_bounds(x, (0,) if per_channel else None, search)
    parameters = [uniform_parameters(low, high, bits) for low, high in bounds]
    exact = product(x)

    def error(index: int) -> float:
        scale, zero_point = parameters[index]
        restored = (uniform_codes(x, scale, zero_point, bits) - zero_point) * scale
        return float((product(restored) - exact).square().mean())

    return parameters[search.best(error, len(parameters))]


def search_tensor_range(x: Tensor, bits: int, dims: Sequence[int], search: RangeSearch) -> tuple[Tensor, Tensor]:
    """Scale and zero point of x with the least squared error of x itself, one choice for each index outside `dims`."""
    best = _RunningBest(x, dims)
    for low, high in candidate_bounds(x, dims, search):
        scale, zero_point = uniform_parameters(low, high, bits)
        best.offer((uniform_codes(x, scale, zero_point, bits) - zero_point) * scale, (scale, zero_point))
    return best.parameters[0], best.parameters[1]


def search_softmax(logits: Tensor, bits: int, dims: Sequence[int], search: RangeSearch) -> tuple[Tensor, Tensor]:
    """Delta, one per index outside `dims`, and common step (1,) of the logarithmic quantizer of softmax(logits).

    Kept is what errs least on values that are one constant plus as much noise: there, errors of one sign within a row
    add up. By quantiles the squared error of the probabilities alone decides, as in RepQ-ViT.
    """
    log_probability = logits.log_softmax(-1)
    probability = log_probability.exp()
    half_octave = logits.new_full((1,), HALF_OCTAVE)
    if search.method != "output_error":
        best = _RunningBest(probability, dims)
        for _, delta in candidate_bounds(probability, dims, search):
            best.offer(_logarithmic(log_probability, delta, half_octave, bits), (delta,))
        return best.parameters[0], half_octave
    axes = tuple(dims)
    top, power = probability.amax(axes, keepdim=True), probability.square().mean(axes, keepdim=True)
    deltas = torch.stack([top * math.exp(-shift / 4) for shift in range(SOFTMAX_DELTAS)])

    def best_delta(step: Tensor) -> tuple[float, Tensor, Tensor]:
        errors = []
        for delta in deltas:
            error = _logarithmic(log_probability, delta, step, bits) - probability
            in_rows = error.sum(-1, keepdim=True).square() / error.shape[-1]
            errors.append(error.square().mean(axes, keepdim=True) + in_rows.mean(axes, keepdim=True))
        least, index = torch.stack(errors).min(0)
        return float((least / power).sum()), deltas.gather(0, index[None])[0], step

    steps = [logits.new_full((1,), span / (2**bits - 2)) for span in SOFTMAX_SPANS]
    found = [best_delta(step) for step in (steps if search.softmax_step == "searched" else [half_octave])]
    return min(found, key=lambda candidate: candidate[0])[1:]


def _logarithmic(log_probability: Tensor, delta: Tensor, step: Tensor, bits: int) -> Tensor:
    return logarithmic_values(logarithmic_codes(log_probability, delta, step, bits), delta, step, bits)


def search_weight_range(weight: Tensor, bits: int, importance: Tensor, search: RangeSearch) -> tuple[Tensor, Tensor]:
    """Scale and zero point (out, 1) of a weight (out, C) with the least sum of importance_c * error_c^2 in each row.

    importance: (C,), the mean square of each input; ones give the plain error. At 8 bits the range is symmetric about
    zero point 128, so that centred codes fit a signed byte.
    """
    bounds = candidate_bounds(weight, (1,), search)
    if search.method == "quantile":
        bounds.append((weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)))
    root = importance.sqrt()
    best = _RunningBest(weight * root, (1,))
    for low, high in bounds:
        scale, zero_point = weight_parameters(low, high, bits)
        best.offer((weight_codes(weight, scale, zero_point, bits) - zero_point) * scale * root, (scale, zero_point))
    return best.parameters[0], best.parameters[1]


def weight_parameters(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Scale and zero point of a weight row; symmetric with zero point 128 at 8 bits."""
    if bits < 8:
        return uniform_parameters(low, high, bits)
    scale = (torch.maximum(-low, high) / 127).clamp(min=1e-8)
    return scale, torch.full_like(scale, 128)


def weight_codes(weight: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """Codes of a weight; code 0 stays unused at 8 bits."""
    return uniform_codes(weight, scale, zero_point, bits).clamp(min=1 if bits == 8 else 0)


class _RunningBest:
    """Keeps, for each index outside `dims`, the parameters whose restored tensor came nearest; of equals the first."""

    def __init__(self, exact: Tensor, dims: Sequence[int]) -> None:
        self.exact, self.dims = exact, tuple(dims)
        self.error: Tensor | None = None
        self.parameters: list[Tensor] = []

    def offer(self, restored: Tensor, parameters: tuple[Tensor, ...]) -> None:
        error = (restored - self.exact).square().mean(self.dims, keepdim=True)
        if self.error is None:
            self.error, self.parameters = error, list(parameters)
            return
        better = error < self.error
        self.error = torch.where(better, error, self.error)
        self.parameters = [torch.where(better, new, old) for new, old in zip(parameters, self.parameters, strict=True)]
