"""How far the ranges of a layer's input channels are evened out: what the codes gain, the weight has to carry.

Xiao et al. 2022, "SmoothQuant" (arXiv 2211.10438), section 4.1: a channel is divided by a power of its range, and the
weight's column is multiplied by it. Here the factor belongs to the channel's quantizer, as in scale reparameterization
(reparameterize.py), so nothing before the layer changes, and the power is searched for each layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..plan import IntegerPlan
from .quantizers import uniform_codes
from .ranges import Ranges, draw_rows, search_by_output
from .reparameterize import fold_input_scales
from .weight_ranges import search_weight_range, weight_codes

# 0 is one scale for all channels, 1 evens their ranges out.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# A strength is chosen on so many times fewer rows than the range that goes with it.
_THINNING = 8
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class SearchedMigration:
    """Chooses scales (in,) with one zero point by the error that input and weight make together.

    inputs: ranges that evened inputs are tried with. weights: those of a weight row. threads: ranges tried side by
    side; the result does not depend on them.
    """

    inputs: Ranges
    weights: Ranges
    threads: int = 1

    def parameters(self, x: Tensor, weight: Tensor, plan: IntegerPlan) -> tuple[Tensor, Tensor]:
        """Scale and zero point (in,) of inputs x (N, in) of a linear layer with `weight` (out, in)."""
        few = draw_rows(x, max(1, len(x) // _THINNING))
        spreads = [channel_spread(x, strength) for strength in STRENGTHS]
        errors = [self._error(few, weight, plan, self._evened(few, weight, plan, spread)) for spread in spreads]
        return self._evened(x, weight, plan, spreads[int(np.argmin(errors))])

    def _evened(self, x: Tensor, weight: Tensor, plan: IntegerPlan, spread: Tensor) -> tuple[Tensor, Tensor]:
        """The quantizer of x whose scales stand to each other as `spread` (in,) does."""
        even = weight * spread
        bounds = self.inputs.bounds(x / spread, (0, 1))
        found = search_by_output(x / spread, plan.input_bits, bounds, lambda v: F.linear(v, even), self.threads)
        scale, zero_point = (value.flatten() for value in found)
        return scale * spread, zero_point.expand_as(spread).contiguous()

    def _error(self, x: Tensor, weight: Tensor, plan: IntegerPlan, quantizer: tuple[Tensor, Tensor]) -> float:
        """Mean squared error of the layer's output with codes of both; without its mean where the bias mends that."""
        scale, zero_point = quantizer
        codes = uniform_codes(x, scale, zero_point, plan.input_bits) - zero_point
        folded = fold_input_scales(weight, scale)
        power = codes.square().mean(0)
        width, zero = search_weight_range(folded, plan.weight_bits, power + 1e-4 * power.mean() + 1e-12, self.weights)
        restored = (weight_codes(folded, width, zero, plan.weight_bits) - zero) * width
        error = F.linear(codes, restored) - F.linear(x, weight)
        if plan.correct_bias:
            error = error - error.mean(0)
        return float(error.square().mean())


def channel_spread(x: Tensor, strength: float) -> Tensor:
    """Range of each channel of x (N, C) over the widest, to the power `strength` (0..1); (C,), above zero."""
    ranges = x.amax(0) - x.amin(0)
    return (ranges / ranges.amax().clamp(min=torch.finfo(x.dtype).tiny)).clamp(min=_LEAST_SHARE) ** strength
