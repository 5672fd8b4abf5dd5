"""Quantizers at every product of TinyViT, simulated: codes and ranges are found as for SAM-Med2D, no engine runs them.

Depthwise convolutions, which SAM-Med2D has not, get one scale per channel and weights rounded to nearest; everything
else goes through `quant.calibration` as SAM-Med2D's layers do, on inputs per channel where a LayerNorm feeds the layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.calibration.calibration import layer_inputs, place_attention, settle
from dfqsam_core.quant.calibration.pending import PendingLayer
from dfqsam_core.quant.calibration.quantized_layers import replace_module
from dfqsam_core.quant.calibration.quantizers import UniformQuantizer
from dfqsam_core.quant.calibration.ranges import Ranges, search_tensor_range
from dfqsam_core.quant.calibration.strategies import Strategies
from dfqsam_core.quant.calibration.weight_ranges import search_weight_range, weight_codes
from dfqsam_core.quant.plan import AttentionPlan, IntegerPlan

from .tiny_vit import Attention, TinyViT

FIRST_LAYER = "patch_embed.seq.0.c"


class DepthwiseLayer(nn.Module):
    """A depthwise convolution on quantized inputs, calibrated on its first one."""

    def __init__(self, layer: nn.Conv2d, weight_bits: int, input_bits: int, ranges: Ranges) -> None:
        super().__init__()
        self.input_bits, self.ranges = input_bits, ranges
        self.quantizer: UniformQuantizer | None = None
        rows = layer.weight.detach().flatten(1)
        scale, zero_point = search_weight_range(rows, weight_bits, torch.ones_like(rows[0]), ranges)
        rows = (weight_codes(rows, scale, zero_point, weight_bits) - zero_point) * scale
        self.layer = layer
        self.layer.weight.data = rows.view_as(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W)."""
        if self.quantizer is None:
            scale, zero_point = search_tensor_range(x, self.input_bits, range(x.dim()), self.ranges)
            self.quantizer = UniformQuantizer(scale.reshape(1), zero_point.reshape(1), self.input_bits)
        return self.layer(self.quantizer(x))


@torch.no_grad()
def simulate(encoder: TinyViT, images: Tensor, config: QuantConfig) -> int:
    """Quantize `encoder` in place on normalised `images` (B, 3, S, S); returns how many products are quantized."""
    strategies = Strategies.of(config.calibration, threads=1)
    layers = {path: module for path, module in encoder.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))}
    inputs, _ = layer_inputs(encoder, layers, images)
    for path, exact in inputs.items():
        replace_module(encoder, path, _quantized(path, layers[path], exact, config, strategies))
    attentions = [module for module in encoder.modules() if isinstance(module, Attention)]
    for attention in attentions:
        bits = AttentionPlan(config.activation_bits, config.softmax_bits)
        place_attention(attention, bits, config.per_head, strategies)
    encoder(images)
    settle(encoder)
    return len(layers) + 2 * len(attentions)


def _quantized(
    path: str, layer: nn.Linear | nn.Conv2d, exact: Tensor, config: QuantConfig, strategies: Strategies
) -> nn.Module:
    bits = config.activation_bits
    if path == FIRST_LAYER or path.startswith("neck."):
        bits = max(bits, config.pixel_bits if path == FIRST_LAYER else config.neck_bits)
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return DepthwiseLayer(layer, config.weight_bits, bits, strategies.ranges)
    settings = config.calibration
    per_channel = settings.reparameterize and path.endswith(("attn.qkv", "mlp.fc1"))
    plan = IntegerPlan(config.weight_bits, bits, per_channel, settings.bias_correction)
    return PendingLayer(layer, plan, strategies, exact)
