"""Places of a network that choose their quantizer at the first input they see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..plan import IntegerPlan
from .quantized_layers import FloatLayer, QuantizedLayer, apply_product
from .quantizers import LogarithmicSoftmax, UniformQuantizer
from .ranges import draw_rows, search_tensor_range
from .side_by_side import side_by_side
from .strategies import Strategies
from .weight_fit import fit_weight

SOFTMAX_QUERIES = 256
# Of each image. Where there are more they are neighbours' likes, and looking at all takes minutes.
RANGE_TOKENS = 1024


class PendingLayer(nn.Module):
    """A float layer that becomes a QuantizedLayer at its first input; `exact` is what it gets in the float network."""

    def __init__(self, layer: FloatLayer, plan: IntegerPlan, strategies: Strategies, exact: Tensor) -> None:
        super().__init__()
        self.layer, self.plan, self.strategies, self.exact = layer, plan, strategies, exact
        self.quantized: nn.Module | None = None
        self.bias = layer.bias  # attention reads the bias of qkv for its padding tokens

    def forward(self, x: Tensor) -> Tensor:
        """Calibrate on the first x, then run quantized."""
        if self.quantized is None:
            self.quantized = self._calibrate(x)
        # Whole numbers are added exactly, so the images may be shared out among the cores.
        threads = self.strategies.threads
        return torch.cat(side_by_side(self.quantized, x.chunk(threads), threads))

    def _sample(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            return draw_rows(x.flatten(0, -2), self.strategies.rows)
        positions = x.shape[-1] * x.shape[-2]
        return draw_rows(x, max(1, self.strategies.rows // positions))

    def _calibrate(self, x: Tensor) -> QuantizedLayer:
        layer, plan = self.layer, self.plan
        weight = weight_for_lengths(layer)
        scale, zero_point = self.strategies.inputs.parameters(
            self._sample(x), plan.input_bits, plan.per_channel, lambda v: apply_product(layer, v, weight)
        )
        quantizer = UniformQuantizer(scale.flatten(), zero_point.flatten(), plan.input_bits)
        return fit_weight(layer, plan, quantizer, x, self.exact, self.strategies)


class PendingRange(nn.Module):
    """A place for activations (B, heads, N, C) that chooses its uniform quantizer at the first input."""

    def __init__(self, bits: int, dims: tuple[int, ...], strategies: Strategies) -> None:
        super().__init__()
        self.bits, self.dims, self.strategies = bits, dims, strategies
        self.quantized: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Calibrate on tokens drawn evenly from the first x, then run quantized."""
        if self.quantized is None:
            tokens = draw_rows(torch.arange(x.shape[2], device=x.device), RANGE_TOKENS)
            seen = x if len(tokens) == x.shape[2] else x[:, :, tokens]
            parameters = search_tensor_range(
                seen, self.bits, self.dims, self.strategies.ranges, self.strategies.threads
            )
            self.quantized = UniformQuantizer(*parameters, self.bits)
        return self.quantized(x)


class PendingSoftmax(nn.Module):
    """A softmax that chooses its delta and step at the first logits (B, heads, queries, keys)."""

    def __init__(self, bits: int, dims: tuple[int, ...], strategies: Strategies) -> None:
        super().__init__()
        self.bits, self.dims, self.strategies = bits, dims, strategies
        self.quantized: nn.Module | None = None

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrate on queries drawn evenly from the first logits, then run quantized."""
        if self.quantized is None:
            queries = draw_rows(
                torch.arange(logits.shape[2], device=logits.device), max(1, SOFTMAX_QUERIES // len(logits))
            )
            delta, step = self.strategies.softmax.parameters(logits[:, :, queries], self.bits, self.dims)
            self.quantized = LogarithmicSoftmax(delta, step, self.bits)
        return self.quantized(logits)


def weight_for_lengths(layer: FloatLayer) -> Tensor:
    """The layer's weight, or a smaller one whose products have the same lengths: what a search by errors needs.

    A wide weight (out, in) is an orthogonal matrix times an upper triangular one (in, in).
    """
    weight = layer.weight.detach()
    if isinstance(layer, nn.Linear) and weight.shape[0] >= 2 * weight.shape[1]:
        return torch.linalg.qr(weight, mode="r").R
    return weight
