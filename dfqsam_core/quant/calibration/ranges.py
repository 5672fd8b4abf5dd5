"""Choosing the ranges of uniform quantizers: which ranges are tried, and whose error decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .quantizers import uniform_codes, uniform_parameters
from .side_by_side import side_by_side

QUANTILES = (0.999, 0.9999, 0.99999)
# Shares of its lower end that a two-sided range is tried with.
LOW_ENDS = (1.0, 0.7, 0.4, 0.1)
# After so many a range that is worse than another already is given up. Images of a convolution are never so many.
_ROWS_AT_ONCE = 64

Bounds = tuple[Tensor, Tensor]


class Ranges(Protocol):
    """Which ranges a quantizer is tried with."""

    def bounds(self, x: Tensor, dims: Sequence[int]) -> list[Bounds]:
        """Lower and upper ends to try, over the dimensions `dims` of x, which are kept as ones."""
        ...


class FullRange:
    """From the least value to the greatest."""

    def bounds(self, x: Tensor, dims: Sequence[int]) -> list[Bounds]:
        """The one range that holds all values."""
        return [(x.amin(tuple(dims), keepdim=True), x.amax(tuple(dims), keepdim=True))]


class QuantileRanges:
    """Three quantiles, as in RepQ-ViT."""

    def bounds(self, x: Tensor, dims: Sequence[int]) -> list[Bounds]:
        """One range for each of QUANTILES."""
        return [self._between(x, quantile, tuple(dims)) for quantile in QUANTILES]

    def _between(self, x: Tensor, quantile: float, dims: tuple[int, ...]) -> Bounds:
        # Numpy's selection, because torch refuses more than 16 M elements.
        ends = np.quantile(x.detach().cpu().numpy(), [1 - quantile, quantile], axis=dims, keepdims=True)
        low, high = (torch.as_tensor(end, dtype=x.dtype, device=x.device) for end in ends)
        return low, high


class QuantilesAndFullRange(QuantileRanges):
    """Three quantiles, or all."""

    def bounds(self, x: Tensor, dims: Sequence[int]) -> list[Bounds]:
        """Those of the quantiles, then the one that holds all values."""
        return super().bounds(x, dims) + FullRange().bounds(x, dims)


@dataclass(frozen=True)
class ShrunkenRanges:
    """The full range and even shrinkings of it down to a fifth, `candidates` in all.

    two_sided: the upper end shrinks with each of LOW_ENDS of the lower one. Behind a GELU most values lie in a small
    negative range, which is worth a code of its own when the upper end is cut.
    """

    candidates: int
    two_sided: bool = False

    def bounds(self, x: Tensor, dims: Sequence[int]) -> list[Bounds]:
        """The full range first."""
        ((low, high),) = FullRange().bounds(x, dims)
        shares = torch.linspace(1.0, 0.2, self.candidates).tolist()
        if self.two_sided:
            return [(low * lower, high * upper) for upper in shares for lower in LOW_ENDS]
        return [(low * share, high * share) for share in shares]


class InputSearch(Protocol):
    """How the range of a layer's input is chosen."""

    def parameters(
        self, x: Tensor, bits: int, per_channel: bool, product: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Scale and zero point of the input x: per channel (1, C) of x (N, C), else one for all of x, any shape.

        product: the layer without bias.
        """
        ...


@dataclass(frozen=True)
class ByOutputError:
    """The squared error of the layer's product decides, for all channels at once.

    threads: ranges tried side by side; the result does not depend on them.
    """

    ranges: Ranges
    threads: int = 1

    def parameters(
        self, x: Tensor, bits: int, per_channel: bool, product: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """As in `InputSearch`; of equals the first."""
        bounds = self.ranges.bounds(x, (0,) if per_channel else range(x.dim()))
        parameters = _different([uniform_parameters(low, high, bits) for low, high in bounds])
        parts = [(part, product(part)) for part in x.split(_ROWS_AT_ONCE)]
        least = [math.inf]

        def error(candidate: tuple[Tensor, Tensor]) -> float:
            total = 0.0
            for part, exact in parts:
                total += float(product(_restored(part, candidate, bits)).sub_(exact).square_().sum())
                if total > least[0]:
                    # Worse than another already: the rest of its error does not matter.
                    return math.inf
            least[0] = min(least[0], total)
            return total

        return parameters[int(np.argmin(side_by_side(error, parameters, self.threads)))]


@dataclass(frozen=True)
class ByOwnError:
    """The squared error of the input itself decides, each channel for itself."""

    ranges: Ranges

    def parameters(
        self, x: Tensor, bits: int, per_channel: bool, product: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """As in `InputSearch`; the product is not asked."""
        return search_tensor_range(x, bits, (0,) if per_channel else range(x.dim()), self.ranges)


def search_tensor_range(
    x: Tensor, bits: int, dims: Sequence[int], ranges: Ranges, threads: int = 1
) -> tuple[Tensor, Tensor]:
    """Scale and zero point of x with the least squared error of x itself, one choice for each index outside `dims`.

    threads: ranges tried side by side; the result does not depend on them.
    """
    candidates = _different([uniform_parameters(low, high, bits) for low, high in ranges.bounds(x, dims)])
    scale, zero_point = nearest(x, dims, candidates, lambda candidate: _restored(x, candidate, bits), threads)
    return scale, zero_point


def nearest(
    exact: Tensor,
    dims: Sequence[int],
    candidates: Sequence[tuple[Tensor, ...]],
    restored: Callable[[tuple[Tensor, ...]], Tensor],
    threads: int = 1,
) -> tuple[Tensor, ...]:
    """For each index outside `dims` the parameters whose restored tensor comes nearest to `exact`; of equals the first.

    threads: candidates restored side by side.
    """

    def error(candidate: tuple[Tensor, ...]) -> Tensor:
        return (restored(candidate) - exact).square_().mean(tuple(dims), keepdim=True)

    best, *others = zip(side_by_side(error, candidates, threads), candidates, strict=True)
    least, chosen = best
    for candidate_error, candidate in others:
        better = candidate_error < least
        least = torch.where(better, candidate_error, least)
        chosen = tuple(torch.where(better, new, old) for new, old in zip(candidate, chosen, strict=True))
    return chosen


def _restored(x: Tensor, candidate: tuple[Tensor, ...], bits: int) -> Tensor:
    scale, zero_point = candidate
    return uniform_codes(x, scale, zero_point, bits).sub_(zero_point).mul_(scale)


def _different(candidates: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """Each candidate once, at its first place: behind a ReLU all lower ends are zero."""
    by_value = {tuple(part.numpy(force=True).tobytes() for part in c): c for c in reversed(candidates)}
    return [*reversed(by_value.values())]


def draw_rows(x: Tensor, count: int) -> Tensor:
    """At most `count` rows of x (N, C), evenly spaced."""
    if len(x) <= count:
        return x
    return x[torch.linspace(0, len(x) - 1, count).round().long().to(x.device)]
