"""What a layer's weights are multiplied with: its inputs as columns, and their statistics."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .quantized_layers import FloatLayer


@dataclass(frozen=True)
class InputStatistics:
    """Statistics of what the columns (C,) of a weight's rows are multiplied with, over all output positions.

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


def input_patches(layer: FloatLayer, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return what each output position multiplies its row of weights with.

    x: the layer's input. Returns pairs of columns (C,), indices into a row of `rows_of_weight`, and patches (N, C). A
    Linear or Conv2d has one pair with all columns; a ConvTranspose2d has one for each phase of its stride, because an
    output sees only the kernel elements of its own phase.
    """
    if isinstance(layer, nn.Linear):
        return [(torch.arange(x.shape[-1], device=x.device), x.flatten(0, -2))]
    if isinstance(layer, nn.Conv2d):
        padding = cast(tuple[int, ...], layer.padding)
        unfolded = F.unfold(x, layer.kernel_size, padding=padding, stride=layer.stride)
        return [(torch.arange(unfolded.shape[1], device=x.device), unfolded.transpose(1, 2).flatten(0, 1))]
    return _transposed_patches(layer, x)


def _transposed_patches(layer: nn.ConvTranspose2d, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    size, step, pad = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
    reach, (height, width) = -(-size // step), x.shape[2:]
    padded = F.pad(x, (reach, reach, reach, reach))
    kernel = torch.arange(x.shape[1] * size * size, device=x.device).view(x.shape[1], size, size)

    def window(phase: int, tap: int, length: int) -> slice:
        # Output y takes tap t from input i where y = step * i - pad + t.
        start = reach + (phase + pad - tap) // step
        return slice(start, start + length)

    pairs = []
    for phase_y, phase_x in itertools.product(range(step), repeat=2):
        taps_y, taps_x = (list(range((phase + pad) % step, size, step)) for phase in (phase_y, phase_x))
        seen = [padded[:, :, window(phase_y, t, height), window(phase_x, u, width)] for t in taps_y for u in taps_x]
        patches = torch.stack(seen, 2).permute(0, 3, 4, 1, 2).flatten(3).flatten(0, 2)
        pairs.append((kernel[:, taps_y][:, :, taps_x].flatten(), patches))
    return pairs
