"""The plain integer reference: a packed model run layer by layer in torch, to be believed rather than to be fast.

The engine of `runtime` has to give the same codes for the same inputs, and the same masks within a small float
tolerance.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from ..model import SamMed2D
from ..model.attention import Attention
from ..network.layers import LayerSpec, encoder_layers
from ..store.model_file import StoredModel
from .calibration.quantized_layers import FloatLayer, PixelQuantizer, QuantizedLayer, replace_module
from .calibration.quantizers import LogarithmicSoftmax, UniformQuantizer

PATCH_EMBEDDING = "image_encoder.patch_embed.proj"


def load_reference(packed: StoredModel) -> SamMed2D:
    """Build the network of a packed model with every quantizer in place, in evaluation mode and frozen."""
    model = SamMed2D(packed.architecture, packed.conventions).eval().requires_grad_(False)
    for name, tensor in model.state_dict().items():
        layer, _, kind = name.rpartition(".")
        value = packed.float_weight(layer) if kind == "weight" and layer in packed.layers else packed.tensors.get(name)
        if value is not None and not (kind == "weight" and packed.input_bits(layer)):
            tensor.copy_(torch.tensor(value))
    for spec in encoder_layers(packed.architecture):
        if packed.is_quantized(spec.name):
            replace_module(model, spec.name, _integer_layer(model, packed, spec))
    for index in range(packed.architecture.depth):
        name = f"image_encoder.blocks.{index}.attn"
        _load_attention(cast(Attention, model.get_submodule(name)), packed, name)
    return model


def _integer_layer(model: SamMed2D, packed: StoredModel, spec: LayerSpec) -> QuantizedLayer:
    tensors, name = packed.tensors, spec.name
    bits = packed.input_bits(name)
    weight_bits = packed.weight_bits(name)
    assert bits is not None
    assert weight_bits is not None
    scale, input_scale = (torch.tensor(tensors[f"{name}.{part}.scale"]) for part in ("weight", "input"))
    zero_point = torch.tensor(tensors[f"{name}.weight.zero_point"]).float()
    codes = torch.tensor(packed.weight_codes(name)) + zero_point[:, None]
    quantizer: UniformQuantizer | PixelQuantizer
    if name == PATCH_EMBEDDING:
        quantizer = PixelQuantizer(model.pixel_mean, model.pixel_std, bits)
    else:
        quantizer = UniformQuantizer(input_scale, torch.tensor(tensors[f"{name}.input.zero_point"]).float(), bits)
    output_scale = scale * input_scale if len(input_scale) == 1 else scale
    layer = cast(FloatLayer, model.get_submodule(name))
    bias = torch.tensor(tensors[f"{name}.bias"])
    return QuantizedLayer(layer, quantizer, codes, scale, zero_point, weight_bits, output_scale, bias)


def _load_attention(attention: Attention, packed: StoredModel, name: str) -> None:
    def per_head(tensor: str) -> Tensor:
        return torch.tensor(packed.tensors[f"{name}.{tensor}"]).float().view(1, -1, 1, 1)

    bits, softmax_bits = packed.input_bits(name), packed.softmax_bits(name)
    if bits is not None:
        for place, letter in (("query", "q"), ("key", "k"), ("value", "v")):
            quantizer = UniformQuantizer(per_head(f"{letter}.scale"), per_head(f"{letter}.zero_point"), bits)
            setattr(attention, place, quantizer)
    if softmax_bits is not None:
        step = torch.tensor(packed.tensors[f"{name}.softmax.step"])
        attention.softmax = LogarithmicSoftmax(per_head("softmax.scale"), step, softmax_bits)
