"""Rounding weights column by column, each column making up for the errors of those before it (GPTQ).

Frantar et al. 2022, "GPTQ" (arXiv 2210.17323), sections 3 and 4: with the second moment H of the inputs, the error of a
rounded column is spread over the columns still to come by the rows of the Cholesky factor of H's inverse.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import FloatLayer
from .ranges import weight_codes

_BLOCK = 128


def input_patches(layer: FloatLayer, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """What each output position multiplies its row of weights with.

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


def round_with_feedback(
    rows: Tensor, scale: Tensor, zero_point: Tensor, bits: int, moment: Tensor, damping: float
) -> Tensor:
    """Weight codes (out, C) of `rows` for inputs with second moment `moment` (C, C).

    scale, zero_point: (out, 1). damping: share of the mean diagonal that is added to the diagonal; inputs that were
    seldom seen are then rounded almost to nearest. Columns go from the strongest input to the weakest.
    """
    order = moment.diagonal().argsort(descending=True, stable=True)
    spread = _feedback(moment[order][:, order], damping)
    left = rows.T[order].contiguous()
    scale, zero_point = scale[:, 0], zero_point[:, 0]
    codes = torch.empty_like(left)
    for start in range(0, len(left), _BLOCK):
        stop = min(start + _BLOCK, len(left))
        errors = torch.empty_like(left[start:stop])
        for column in range(start, stop):
            code = weight_codes(left[column], scale, zero_point, bits)
            error = (left[column] - (code - zero_point) * scale) / spread[column, column]
            left[column:stop] -= spread[column, column:stop, None] * error
            codes[column], errors[column - start] = code, error
        left[stop:] -= spread[start:stop, stop:].T @ errors
    return codes[order.argsort()].T.contiguous()


def _feedback(moment: Tensor, damping: float) -> Tensor:
    """Upper triangular U with U^T U the inverse of the damped moment."""
    damped = moment.double()  # the factor of a nearly singular moment needs it
    damped.diagonal().add_(damping * damped.diagonal().mean() + 1e-12)
    # With the columns reversed, one factor and one triangular inverse do: H = R R^T with R upper, U = R^-1.
    factor = torch.linalg.cholesky(damped.flip(0, 1)).flip(0, 1).to(moment.dtype)
    identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity, upper=True)
