"""Linear, Conv2d and ConvTranspose2d whose weights and inputs are codes, computed as the integer product is."""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .quantizers import UniformQuantizer

FloatLayer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def rows_of_weight(layer: FloatLayer, weight: Tensor) -> Tensor:
    """Weight as (out, codes per row), the output axis first (axis 1 of a ConvTranspose2d)."""
    moved = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
    return moved.flatten(1)


def weight_of_rows(layer: FloatLayer, rows: Tensor) -> Tensor:
    """Inverse of `rows_of_weight`."""
    if isinstance(layer, nn.ConvTranspose2d):
        out = layer.weight.shape[1]
        return rows.view(out, layer.weight.shape[0], *layer.weight.shape[2:]).transpose(0, 1)
    return rows.view(layer.weight.shape)


def apply_product(layer: FloatLayer, x: Tensor, weight: Tensor) -> Tensor:
    """The layer's product of x and `weight`, without bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    if isinstance(layer, nn.Conv2d):
        return F.conv2d(x, weight, stride=cast(tuple, layer.stride), padding=cast(tuple, layer.padding))
    return F.conv_transpose2d(x, weight, stride=cast(tuple, layer.stride), padding=cast(tuple, layer.padding))


def without_weight(layer: FloatLayer) -> FloatLayer:
    """The layer with a weight that has a shape and takes no memory."""
    hollow = copy.copy(layer)
    hollow._parameters = layer._parameters | {"weight": nn.Parameter(layer.weight.detach().to("meta"), False)}
    return hollow


def replace_module(network: nn.Module, path: str, module: nn.Module) -> None:
    """Put `module` in the place of the one that `path` names in `network`."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


class QuantizedLayer(nn.Module):
    """A layer in integer arithmetic: codes times codes, one rescaling, one bias.

    The centred codes are whole numbers held in float32, whose products are exact while a sum stays below 2^24; longer
    sums of wider codes are taken in float64.
    """

    input_quantizer: UniformQuantizer | PixelQuantizer
    weight_codes: Tensor
    places: Tensor | None
    weight_scale: Tensor
    weight_zero_point: Tensor
    output_scale: Tensor
    bias: Tensor | None

    def __init__(
        self,
        layer: FloatLayer,
        input_quantizer: UniformQuantizer | PixelQuantizer,
        weight_codes: Tensor,
        weight_scale: Tensor,
        weight_zero_point: Tensor,
        weight_bits: int,
        output_scale: Tensor,
        bias: Tensor | None,
        places: Tensor | None = None,
    ) -> None:
        """weight_codes (out, row); weight_scale, weight_zero_point, output_scale (out,); bias (out,) or None.

        places: where the float weights lie among the codes, (out, row), for as long as codes may be tuned.

        output_scale is the input's scale times the weight's, or the weight's alone where the input's scales are
        folded into the weight.
        """
        super().__init__()
        self.layer = [without_weight(layer)]  # in a list: it is no part of this module
        self.input_quantizer = input_quantizer
        self.weight_bits = weight_bits
        self.places = places
        self.register_buffer("weight_codes", weight_codes.to(torch.uint8))
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("weight_zero_point", weight_zero_point)
        self.register_buffer("output_scale", output_scale)
        self.register_buffer("bias", bias)

    def centred_weight(self) -> Tensor:
        """Weight codes minus zero point in the layer's own weight shape, float32 whole numbers."""
        rows = self.weight_codes.float() - self.weight_zero_point[:, None]
        return weight_of_rows(self.layer[0], rows)

    def take_output_scale(self) -> None:
        """Make the weight's scale what the output's, after it was changed, says of it."""
        of_input = self.input_quantizer.scale if self.input_quantizer.scale.numel() == 1 else 1.0
        self.weight_scale = self.output_scale / of_input
        self.output_scale.copy_(self.weight_scale * of_input)

    @property
    def code_range(self) -> tuple[int, int]:
        """Lowest and highest code of a weight: at 8 bits the lowest stays unused, see `weight_codes`."""
        return int(self.weight_bits == 8), 2**self.weight_bits - 1

    def _largest_sum(self) -> int:
        return (2**self.input_quantizer.bits - 1) * (2**self.weight_bits - 1) * self.weight_codes.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output for a float input x."""
        layer = self.layer[0]
        codes, weight = self.input_quantizer.centred_codes(x), self.centred_weight()
        if self._largest_sum() >= 2**24:
            product = apply_product(layer, codes.double(), weight.double()).to(x.dtype)
        else:
            product = apply_product(layer, codes, weight)
        channels = (-1,) if isinstance(layer, nn.Linear) else (-1, 1, 1)
        out = product * self.output_scale.view(channels)
        return out if self.bias is None else out + self.bias.view(channels)


class PixelQuantizer(nn.Module):
    """Quantizer of normalised pixels (B, 3, H, W) by their own grey value: code = round(pixel / step)."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.step = 255 / (2**bits - 1)
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))

    @property
    def scale(self) -> Tensor:
        """Width of a code in normalised units, (3,)."""
        return (self.step / self.std).flatten()

    def centred_codes(self, x: Tensor) -> Tensor:
        """Codes of normalised x; their zero point is 0, the mean belongs to the bias."""
        return torch.round((x * self.std + self.mean) / self.step).clamp(0, 2**self.bits - 1)
