"""Ranges and codes of weights, one row for each output channel."""

from __future__ import annotations

import torch
from torch import Tensor

from .quantizers import uniform_codes, uniform_parameters
from .ranges import Ranges, nearest
from .side_by_side import side_by_side

# Of fewer, Python's own time counts; more leave a core's own cache.
_VALUES_AT_ONCE = 2**18


def search_weight_range(
    weight: Tensor, bits: int, importance: Tensor, ranges: Ranges, threads: int = 1
) -> tuple[Tensor, Tensor]:
    """Scale and zero point (out, 1) of a weight (out, C) with the least sum of importance_c * error_c^2 in each row.

    importance: (C,), the mean square of each input; ones give the plain error. At 8 bits the range is symmetric about
    zero point 128, so that centred codes fit a signed byte. threads: rows searched side by side.
    """
    root = importance.sqrt()

    def search(rows: Tensor) -> tuple[Tensor, ...]:
        def restored(candidate: tuple[Tensor, ...]) -> Tensor:
            scale, zero_point = candidate
            return weight_codes(rows, scale, zero_point, bits).sub_(zero_point).mul_(scale).mul_(root)

        candidates = [weight_parameters(low, high, bits) for low, high in ranges.bounds(rows, (1,))]
        return nearest(rows * root, (1,), candidates, restored)

    parts = weight.split(max(1, _VALUES_AT_ONCE // weight.shape[1]))
    scales, zero_points = zip(*side_by_side(search, parts, threads), strict=True)
    return torch.cat(scales), torch.cat(zero_points)


def weight_parameters(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Scale and zero point of a weight row; symmetric with zero point 128 at 8 bits."""
    if bits < 8:
        return uniform_parameters(low, high, bits)
    scale = (torch.maximum(-low, high) / 127).clamp(min=1e-8)
    return scale, torch.full_like(scale, 128)


def weight_codes(weight: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """Codes of a weight; code 0 stays unused at 8 bits."""
    codes = uniform_codes(weight, scale, zero_point, bits)
    return codes.clamp_(min=1) if bits == 8 else codes
