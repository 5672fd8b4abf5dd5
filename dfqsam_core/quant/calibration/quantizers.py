"""Uniform and logarithmic quantizers on torch tensors, in the arithmetic of docs/how/model_file.md."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

HALF_OCTAVE = math.log(2) / 2


def uniform_parameters(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Scale and whole zero point of the asymmetric uniform quantizer over [low, high], which is widened to hold zero.

    Zero is always exactly representable and there are exactly 2^bits levels (DFQ-SAM's fractional zero points give 17).
    """
    levels = 2**bits - 1
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = ((high - low) / levels).clamp(min=1e-8)
    return scale, torch.round(-low / scale).clamp(0, levels)


class _StraightThrough(torch.autograd.Function):
    """Rounding whose gradient is that of the identity (Bengio et al. 2013, arXiv 1308.3432)."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def _rounded(x: Tensor) -> Tensor:
    """x rounded, in its place where no gradient has to pass."""
    return _StraightThrough.apply(x) if x.requires_grad else x.round_()


def uniform_codes(x: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """Codes clamp(round(x / scale) + zero_point, 0, 2^bits - 1) as whole numbers in x's dtype."""
    return _rounded(x / scale).add_(zero_point).clamp_(0, 2**bits - 1)


class UniformQuantizer(nn.Module):
    """Asymmetric uniform quantizer with fixed parameters.

    scale, zero_point: broadcastable to the input. forward gives (codes - zero_point) * scale.
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(self, scale: Tensor, zero_point: Tensor, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", zero_point)

    def codes(self, x: Tensor) -> Tensor:
        """Whole-number codes in 0..2^bits - 1, dtype of x."""
        return uniform_codes(x, self.scale, self.zero_point, self.bits)

    def centred_codes(self, x: Tensor) -> Tensor:
        """Codes minus the zero point: the operand of the integer product."""
        return self.codes(x).sub_(self.zero_point)

    def forward(self, x: Tensor) -> Tensor:
        """The nearest representable values of x."""
        return self.centred_codes(x) * self.scale


class LogarithmicSoftmax(nn.Module):
    """Softmax whose result is delta * e^(-step * code), the last code being exact zero.

    delta: (heads, 1, 1). step: (1,), the logarithm of the ratio between neighbouring values; half an octave gives the
    log-sqrt2 quantizer of RepQ-ViT (section 3.3), any other the adaptive base of AdaLog (arXiv 2407.12951).
    Codes are taken from the logits: round((logsumexp + ln delta - logit) / step).
    """

    delta: Tensor
    step: Tensor

    def __init__(self, delta: Tensor, step: Tensor, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("delta", delta)
        self.register_buffer("step", step)

    def codes(self, logits: Tensor) -> Tensor:
        """Whole-number codes in 0..2^bits - 1 of softmax(logits), dtype of the logits."""
        return logarithmic_codes(logits.log_softmax(-1), self.delta, self.step, self.bits)

    def forward(self, logits: Tensor) -> Tensor:
        """Quantized probabilities, the shape of the logits (B, heads, queries, keys)."""
        return logarithmic_values(self.codes(logits), self.delta, self.step, self.bits)


def logarithmic_codes(log_probability: Tensor, delta: Tensor, step: Tensor, bits: int) -> Tensor:
    """Codes of exp(log_probability): whole steps below delta, the last one meaning zero."""
    return _rounded((delta.log() - log_probability) / step).clamp(0, 2**bits - 1)


def logarithmic_values(codes: Tensor, delta: Tensor, step: Tensor, bits: int) -> Tensor:
    """delta * e^(-step * code); zero for the last code."""
    return torch.where(codes < 2**bits - 1, delta * torch.exp(-codes * step), torch.zeros_like(codes))
