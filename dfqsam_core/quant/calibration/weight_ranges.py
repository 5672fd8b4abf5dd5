"""Ranges and codes of weights, one row for each output channel."""

from __future__ import annotations

import torch
from torch import Tensor

from .quantizers import uniform_codes, uniform_parameters
from .ranges import Ranges, RunningBest


def search_weight_range(weight: Tensor, bits: int, importance: Tensor, ranges: Ranges) -> tuple[Tensor, Tensor]:
    """Scale and zero point (out, 1) of a weight (out, C) with the least sum of importance_c * error_c^2 in each row.

    importance: (C,), the mean square of each input; ones give the plain error. At 8 bits the range is symmetric about
    zero point 128, so that centred codes fit a signed byte.
    """
    root = importance.sqrt()
    best = RunningBest(weight * root, (1,))
    for low, high in ranges.bounds(weight, (1,)):
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
