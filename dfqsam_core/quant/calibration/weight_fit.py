"""Choosing a layer's weight codes and bias for the codes that flow into it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import CalibrationConfig
from .layers import FloatLayer, QuantizedLayer, rows_of_weight
from .quantizers import UniformQuantizer
from .ranges import RangeSearch, search_weight_range, weight_codes
from .reparameterize import fold_input_scales
from .rounding import input_patches, round_with_feedback


@dataclass(frozen=True)
class InputStatistics:
    """What the columns (C,) of a weight's rows are multiplied with, over all output positions.

    power: mean squares of the codes (C,). moment: their mean products (C, C), where rounding needs them. mean: of the
    codes (C,); exact_mean: of the float network's inputs.
    """

    columns: Tensor
    power: Tensor
    moment: Tensor | None
    mean: Tensor
    exact_mean: Tensor

    @classmethod
    def of(cls, columns: Tensor, codes: Tensor, exact: Tensor, centre: bool, products: bool) -> InputStatistics:
        """Statistics of codes (N, C) and float inputs (N, C); centre: about the mean, whose error the bias mends."""
        mean = codes.mean(0)
        if centre:
            codes = codes - mean
        moment = codes.T @ codes / len(codes) if products else None
        return cls(columns, codes.square().mean(0), moment, mean, exact.mean(0))


def fit_weight(
    layer: FloatLayer,
    quantizer: UniformQuantizer,
    x: Tensor,
    exact: Tensor,
    bits: int,
    correct_bias: bool,
    settings: CalibrationConfig,
    threads: int,
) -> QuantizedLayer:
    """The integer layer that is nearest to the float `layer` on x, the input that it gets in the quantized network.

    exact: the input that it gets in the float network; with correct_bias the mean output becomes that of the float
    layer there. Where the quantizer has a scale per channel, these are folded into the weight.
    """
    rows = rows_of_weight(layer, layer.weight.detach())
    per_channel = quantizer.scale.numel() > 1
    folded = fold_input_scales(rows, quantizer.scale) if per_channel else rows
    feedback = settings.rounding == "feedback"
    statistics = _statistics(layer, quantizer.centred_codes(x), exact, correct_bias, feedback)
    search = RangeSearch(settings.weight_search, settings.candidates, settings.rows)
    scale, zero_point = search_weight_range(folded, bits, _power(statistics, rows, settings), search)
    codes = weight_codes(folded, scale, zero_point, bits)
    if feedback:
        codes = _rounded(folded, scale, zero_point, bits, statistics, settings.damping, threads)
    bias = None if layer.bias is None else layer.bias.detach().clone()
    output_scale = scale[:, 0] if per_channel else scale[:, 0] * quantizer.scale
    if correct_bias:
        shift = _mean_shift(rows, (codes - zero_point) * output_scale[:, None], statistics)
        bias = shift if bias is None else bias + shift
    return QuantizedLayer(layer, quantizer, codes, scale[:, 0], zero_point[:, 0], bits, output_scale, bias)


def _rounded(
    rows: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    bits: int,
    statistics: list[InputStatistics],
    damping: float,
    threads: int,
) -> Tensor:
    """Codes (out, C) of all columns; each group of columns is rounded by itself."""

    def codes_of(part: InputStatistics) -> Tensor:
        assert part.moment is not None
        return round_with_feedback(rows[:, part.columns], scale, zero_point, bits, part.moment, damping)

    codes = torch.empty_like(rows)
    with ThreadPoolExecutor(threads) as pool:
        for part, chosen in zip(statistics, pool.map(codes_of, statistics), strict=True):
            codes[:, part.columns] = chosen
    return codes


def _statistics(layer: FloatLayer, codes: Tensor, exact: Tensor, centre: bool, products: bool) -> list[InputStatistics]:
    pairs = zip(input_patches(layer, codes), input_patches(layer, exact), strict=True)
    return [InputStatistics.of(columns, patches, floats, centre, products) for (columns, patches), (_, floats) in pairs]


def _power(statistics: list[InputStatistics], rows: Tensor, settings: CalibrationConfig) -> Tensor:
    """Importance of each column of `rows`: the mean square of its inputs, never zero; ones where none is asked for."""
    power = torch.ones_like(rows[0])
    if settings.weight_search == "output_error":
        for part in statistics:
            power[part.columns] = part.power
        power = power + 1e-4 * power.mean() + 1e-12
    return power


def _mean_shift(rows: Tensor, restored: Tensor, statistics: list[InputStatistics]) -> Tensor:
    """Mean output of the float layer on its inputs less that of the restored weight on its codes, (out,)."""
    shifts = [rows[:, s.columns] @ s.exact_mean - restored[:, s.columns] @ s.mean for s in statistics]
    return torch.stack(shifts).mean(0)
