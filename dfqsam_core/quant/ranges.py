"""Searching the ranges of quantizers: by error at a layer's output, or by quantiles as RepQ-ViT does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .quantizers import log_sqrt2_codes, log_sqrt2_values, uniform_codes, uniform_parameters

QUANTILES = (0.999, 0.9999, 0.99999)


@dataclass(frozen=True)
class RangeSearch:
    """How to search, and the threads that may try candidates side by side (the result does not depend on them)."""

    method: str
    candidates: int
    rows: int
    threads: int = 1

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
    """Ranges to try: three quantiles, or `candidates` even shrinkings of the full range down to a quarter."""
    if search.method == "quantile":
        return [tuple(quantile_bounds(x, q, dims)) for q in QUANTILES]  # type: ignore[misc]
    axes = tuple(range(x.dim())) if dims is None else tuple(dims)
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    return [(low * f, high * f) for f in torch.linspace(1.0, 0.25, search.candidates).tolist()]


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


def search_softmax_delta(logits: Tensor, bits: int, dims: Sequence[int], search: RangeSearch) -> Tensor:
    """Delta of the log-sqrt2 quantizer with the least squared error of the probabilities, per index outside `dims`."""
    log_probability = logits.log_softmax(-1)
    probability = log_probability.exp()
    if search.method == "quantile":
        deltas = [high for _, high in candidate_bounds(probability, dims, search)]
    else:
        top = probability.amax(tuple(dims), keepdim=True)
        deltas = [top * 2 ** (-step / 8) for step in range(search.candidates)]
    best = _RunningBest(probability, dims)
    for delta in deltas:
        best.offer(log_sqrt2_values(log_sqrt2_codes(log_probability, delta, bits), delta, bits), (delta,))
    return best.parameters[0]


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
