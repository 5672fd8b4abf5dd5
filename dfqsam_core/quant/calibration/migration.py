"""How far the ranges of a layer's input channels are evened out: what the codes gain, the weight has to carry.

Xiao et al. 2022, "SmoothQuant" (arXiv 2211.10438), section 4.1: a channel is divided by a power of its range, and the
weight's column is multiplied by it. Here the factor belongs to the channel's quantizer, as in scale reparameterization
(reparameterize.py), so nothing before the layer changes, and the power is searched for each layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..plan import IntegerPlan
from .quantizers import uniform_codes, uniform_parameters
from .ranges import Ranges, draw_rows
from .reparameterize import fold_input_scales
from .weight_ranges import search_weight_range, weight_codes

# 0 is one scale for all channels, 1 evens their ranges out.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# A strength is chosen on so many times fewer rows than the range that goes with it.
_THINNING = 8
_LEAST_SHARE = 1e-3

# Scale and zero point, both (in,).
_Quantizer = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class SearchedMigration:
    """Chooses a scale for each channel by the error that input and weight make together.

    inputs: ranges that inputs are tried with. weights: those of a weight row. threads: candidates tried side by side;
    the result does not depend on them.
    """

    inputs: Ranges
    weights: Ranges
    threads: int = 1

    def parameters(self, x: Tensor, weight: Tensor, plan: IntegerPlan) -> _Quantizer:
        """Scale and zero point (in,) of inputs x (N, in) of a linear layer with `weight` (out, in).

        The zero point is one for all channels unless plan.own_zero_points.
        """
        candidates = self.own if plan.own_zero_points else self.shared
        few = draw_rows(x, max(1, len(x) // _THINNING))
        bits = plan.input_bits
        found = [self._best(few, weight, bits, candidates(x, strength, bits)) for strength in STRENGTHS]
        errors = [joint_error(few, weight, plan, quantizer, self.weights) for quantizer in found]
        strength = STRENGTHS[int(np.argmin(errors))]
        return self._best(x, weight, bits, candidates(x, strength, bits))

    def shared(self, x: Tensor, strength: float, bits: int) -> Iterable[_Quantizer]:
        """Quantizers with one zero point: channels of x (N, C) are evened out, then share a range."""
        spread = channel_spread(x, strength)
        for low, high in self.inputs.bounds(x / spread, (0, 1)):
            scale, zero_point = uniform_parameters(low.flatten(), high.flatten(), bits)
            yield scale * spread, zero_point.expand_as(spread).contiguous()

    def own(self, x: Tensor, strength: float, bits: int) -> Iterable[_Quantizer]:
        """Quantizers with a zero point for each channel of x (N, C); at strength 1 each has just its own range."""
        for low, high in self.inputs.bounds(x, (0,)):
            scale, _ = uniform_parameters(low.flatten(), high.flatten(), bits)
            scale = scale**strength * scale.amax() ** (1 - strength)
            yield scale, torch.round(-low.flatten().clamp(max=0) / scale).clamp(0, 2**bits - 1)

    def _best(self, x: Tensor, weight: Tensor, bits: int, candidates: Iterable[_Quantizer]) -> _Quantizer:
        """The candidate with the least squared error of the product of x and `weight`; of equals the first."""
        tried, exact = list(candidates), F.linear(x, weight)

        def error(quantizer: _Quantizer) -> float:
            scale, zero_point = quantizer
            restored = (uniform_codes(x, scale, zero_point, bits) - zero_point) * scale
            return float((F.linear(restored, weight) - exact).square().mean())

        with ThreadPoolExecutor(self.threads) as pool:
            return tried[int(np.argmin(list(pool.map(error, tried))))]


def joint_error(x: Tensor, weight: Tensor, plan: IntegerPlan, quantizer: _Quantizer, ranges: Ranges) -> float:
    """Mean squared error of the output of x (N, in) and `weight` (out, in) with both in codes.

    ranges: that a weight row is tried with. Without the error's mean where the bias mends that.
    """
    scale, zero_point = quantizer
    codes = uniform_codes(x, scale, zero_point, plan.input_bits) - zero_point
    folded, power = fold_input_scales(weight, scale), codes.square().mean(0)
    importance = power + 1e-4 * power.mean() + 1e-12
    width, zero = search_weight_range(folded, plan.weight_bits, importance, ranges)
    restored = (weight_codes(folded, width, zero, plan.weight_bits) - zero) * width
    error = F.linear(codes, restored) - F.linear(x, weight)
    if plan.correct_bias:
        error = error - error.mean(0)
    return float(error.square().mean())


def channel_spread(x: Tensor, strength: float) -> Tensor:
    """Range of each channel of x (N, C) over the widest, to the power `strength` (0..1); (C,), above zero."""
    ranges = x.amax(0) - x.amin(0)
    return (ranges / ranges.amax().clamp(min=torch.finfo(x.dtype).tiny)).clamp(min=_LEAST_SHARE) ** strength
