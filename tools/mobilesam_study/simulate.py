"""Quantizers at every product of TinyViT, simulated: codes and ranges are found as for SAM-Med2D, no engine runs them.

Depthwise convolutions, which SAM-Med2D has not, get one scale per channel and weights rounded to nearest; everything
else goes through `quant.calibration` as SAM-Med2D's layers do, on inputs per channel where a LayerNorm feeds the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dfqsam_core.quant import QuantConfig
from dfqsam_core.quant.pending import LayerPlan, PendingLayer, PendingRange, PendingSoftmax
from dfqsam_core.quant.quantizers import UniformQuantizer
from dfqsam_core.quant.ranges import RangeSearch, search_tensor_range, search_weight_range, weight_codes

from .tiny_vit import Attention, TinyViT

FIRST_LAYER = "patch_embed.seq.0.c"


class DepthwiseLayer(nn.Module):
    """A depthwise convolution on quantized inputs, calibrated on its first one."""

    def __init__(self, layer: nn.Conv2d, weight_bits: int, input_bits: int, search: RangeSearch) -> None:
        super().__init__()
        self.input_bits, self.search = input_bits, search
        self.quantizer: UniformQuantizer | None = None
        rows = layer.weight.detach().flatten(1)
        scale, zero_point = search_weight_range(rows, weight_bits, torch.ones_like(rows[0]), search)
        rows = (weight_codes(rows, scale, zero_point, weight_bits) - zero_point) * scale
        self.layer = layer
        self.layer.weight.data = rows.view_as(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W)."""
        if self.quantizer is None:
            scale, zero_point = search_tensor_range(x, self.input_bits, range(x.dim()), self.search)
            self.quantizer = UniformQuantizer(scale.reshape(1), zero_point.reshape(1), self.input_bits)
        return self.layer(self.quantizer(x))


def simulate(encoder: TinyViT, images: Tensor, config: QuantConfig) -> int:
    """Quantize `encoder` in place on normalised `images` (B, 3, S, S); returns how many products are quantized."""
    search = RangeSearch.of(config.calibration, 1)
    layers = {path: module for path, module in encoder.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))}
    for path, exact in float_inputs(encoder, layers, images).items():
        encoder.set_submodule(path, _quantized(path, layers[path], exact, config, search))
    attentions = [module for module in encoder.modules() if isinstance(module, Attention)]
    dims = (0, 2, 3) if config.per_head else (0, 1, 2, 3)
    for attention in attentions:
        for name in ("query", "key", "value"):
            setattr(attention, name, PendingRange(config.activation_bits, dims, search))
        attention.softmax = PendingSoftmax(config.softmax_bits, dims, search)
    with torch.no_grad():
        encoder(images)
    for path, module in list(encoder.named_modules()):
        quantized = getattr(module, "quantized", None)
        if isinstance(quantized, nn.Module):
            encoder.set_submodule(path, quantized)
    return len(layers) + 2 * len(attentions)


def float_inputs(encoder: TinyViT, layers: Mapping[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """What each layer gets in the float network, in the order in which they run."""
    inputs: dict[str, Tensor] = {}

    def note(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _module, arguments: inputs.update({path: arguments[0]})

    handles = [layer.register_forward_pre_hook(note(path)) for path, layer in layers.items()]
    with torch.no_grad():
        encoder(images)
    for handle in handles:
        handle.remove()
    return inputs


def _quantized(
    path: str, layer: nn.Linear | nn.Conv2d, exact: Tensor, config: QuantConfig, search: RangeSearch
) -> nn.Module:
    bits = config.activation_bits
    if path == FIRST_LAYER or path.startswith("neck."):
        bits = max(bits, config.pixel_bits if path == FIRST_LAYER else config.neck_bits)
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return DepthwiseLayer(layer, config.weight_bits, bits, search)
    settings = config.calibration
    per_channel = settings.reparameterize and path.endswith(("attn.qkv", "mlp.fc1"))
    plan = LayerPlan(config.weight_bits, bits, per_channel, settings.bias_correction)
    return PendingLayer(layer, plan, search, settings, exact)
