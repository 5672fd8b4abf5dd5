"""Choosing a layer's weight codes and bias for the codes that flow into it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..plan import IntegerPlan
from .input_statistics import InputStatistics, input_patches
from .quantized_layers import FloatLayer, QuantizedLayer, rows_of_weight
from .quantizers import UniformQuantizer
from .reparameterize import fold_input_scales
from .strategies import Strategies
from .weight_ranges import search_weight_range


def fit_weight(
    layer: FloatLayer,
    plan: IntegerPlan,
    quantizer: UniformQuantizer,
    x: Tensor,
    exact: Tensor,
    strategies: Strategies,
) -> QuantizedLayer:
    """The integer layer that is nearest to the float `layer` on x, the input that it gets in the quantized network.

    exact: the input that it gets in the float network; with plan.correct_bias the mean output becomes that of the float
    layer there. Where the quantizer has a scale per channel, these are folded into the weight.
    """
    rows = rows_of_weight(layer, layer.weight.detach())
    bits, per_channel = plan.weight_bits, quantizer.scale.numel() > 1
    folded = fold_input_scales(rows, quantizer.scale) if per_channel else rows
    rounding = strategies.rounding
    statistics = _statistics(layer, quantizer.centred_codes(x), exact, plan.correct_bias, rounding.needs_moment)
    importance = _power(statistics, rows, strategies.weighs_inputs)
    scale, zero_point = search_weight_range(folded, bits, importance, strategies.weight_ranges, strategies.threads)
    codes = rounding.codes(folded, scale, zero_point, bits, statistics)
    bias = None if layer.bias is None else layer.bias.detach().clone()
    output_scale = scale[:, 0] if per_channel else scale[:, 0] * quantizer.scale
    if plan.correct_bias:
        shift = _mean_shift(rows, (codes - zero_point) * output_scale[:, None], statistics)
        bias = shift if bias is None else bias + shift
    places = folded / scale + zero_point if strategies.keeps_places else None
    return QuantizedLayer(layer, quantizer, codes, scale[:, 0], zero_point[:, 0], bits, output_scale, bias, places)


def _statistics(layer: FloatLayer, codes: Tensor, exact: Tensor, centre: bool, products: bool) -> list[InputStatistics]:
    pairs = zip(input_patches(layer, codes), input_patches(layer, exact), strict=True)
    return [InputStatistics.of(columns, patches, floats, centre, products) for (columns, patches), (_, floats) in pairs]


def _power(statistics: list[InputStatistics], rows: Tensor, weighs_inputs: bool) -> Tensor:
    """Importance of each column of `rows`: the mean square of its inputs, never zero; ones where none is asked for."""
    power = torch.ones_like(rows[0])
    if weighs_inputs:
        for part in statistics:
            power[part.columns] = part.power
        power = power + 1e-4 * power.mean() + 1e-12
    return power


def _mean_shift(rows: Tensor, restored: Tensor, statistics: list[InputStatistics]) -> Tensor:
    """Mean output of the float layer on its inputs less that of the restored weight on its codes, (out,)."""
    shifts = [rows[:, s.columns] @ s.exact_mean - restored[:, s.columns] @ s.mean for s in statistics]
    return torch.stack(shifts).mean(0)
