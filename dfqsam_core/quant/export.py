"""From a calibrated network to the tensors and the layer table of a packed model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..model import SamMed2D
from ..model.attention import Attention
from ..network.architecture import Architecture
from ..network.layers import LayerSpec, decoder_layers, encoder_layers
from ..network.macs import attention_products
from ..store.model_checks import is_position_table
from ..store.packing import pack_codes
from .calibration.layers import FloatLayer, PixelQuantizer, QuantizedLayer, rows_of_weight, weight_of_rows
from .calibration.quantizers import LogarithmicSoftmax, UniformQuantizer
from .calibration.ranges import RangeSearch, search_weight_range, weight_codes

QUANTIZED_DECODER_PREFIX = "mask_decoder."

_Kind = TypeVar("_Kind", bound=nn.Module)


def quantize_decoder_weights(model: SamMed2D, bits: int) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Round the mask decoder's weights to `bits` per output channel, in place; computing stays in float.

    Returns codes (out, row), scale and zero point (out,) by layer name.
    """
    search = RangeSearch("output_error", 8, 0)
    packed = {}
    for spec in decoder_layers(model.architecture):
        if not spec.name.startswith(QUANTIZED_DECODER_PREFIX):
            continue
        layer = cast(FloatLayer, model.get_submodule(spec.name))
        rows = rows_of_weight(layer, layer.weight.detach())
        scale, zero_point = search_weight_range(rows, bits, torch.ones_like(rows[0]), search)
        codes = weight_codes(rows, scale, zero_point, bits)
        layer.weight.data = weight_of_rows(layer, (codes - zero_point) * scale)
        packed[spec.name] = (codes, scale[:, 0], zero_point[:, 0])
    return packed


def round_position_tables(model: SamMed2D) -> None:
    """Round the position tables to float16, as they are stored."""
    for name, parameter in model.named_parameters():
        if is_position_table(name):
            parameter.data = parameter.data.half().float()


def export_tensors(
    model: SamMed2D, decoder: dict[str, tuple[Tensor, Tensor, Tensor]], decoder_bits: int
) -> dict[str, np.ndarray]:
    """All tensors of docs/model_file.md for a calibrated model, by name."""
    integer = {f"image_encoder.{path}": module for path, module in _modules(model, QuantizedLayer)}
    tensors: dict[str, np.ndarray] = {}
    for name, module in integer.items():
        tensors |= _layer_tensors(name, module)
    for path, attention in _modules(model, Attention):
        tensors |= _attention_tensors(f"image_encoder.{path}", attention, model.architecture.num_heads)
    for name, (codes, scale, zero_point) in decoder.items():
        tensors |= _weight_tensors(name, codes, scale, zero_point, decoder_bits)
    for name, value in model.state_dict().items():
        layer = name.rpartition(".")[0]
        is_code = layer in integer or (layer in decoder and name.endswith(".weight"))
        if not is_code and not _inside_quantizer(layer, integer):
            tensors[name] = _array(value, np.float16 if is_position_table(name) else np.float32)
    return tensors


def layer_table(model: SamMed2D, decoder_bits: int) -> list[dict[str, Any]]:
    """The card's table: every layer and attention with its MACs and bits (None where it is float)."""
    architecture = model.architecture
    return [*_layer_entries(model, architecture, decoder_bits), *_attention_entries(model, architecture)]


def _layer_entries(model: SamMed2D, architecture: Architecture, decoder_bits: int) -> Iterator[dict[str, Any]]:
    for spec in encoder_layers(architecture):
        module = model.get_submodule(spec.name)
        if isinstance(module, QuantizedLayer):
            yield _entry(spec, module.weight_bits, module.input_quantizer.bits)
        else:
            yield _entry(spec, None, None)
    for spec in decoder_layers(architecture):
        yield _entry(spec, decoder_bits if spec.name.startswith(QUANTIZED_DECODER_PREFIX) else None, None)


def _entry(spec: LayerSpec, weight_bits: int | None, input_bits: int | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        "macs": spec.macs,
        "weight_bits": weight_bits,
        "input_bits": input_bits,
    }


def _attention_entries(model: SamMed2D, architecture: Architecture) -> Iterator[dict[str, Any]]:
    for product in attention_products(architecture):
        attention = cast(Attention, model.get_submodule(product.name))
        yield {
            "name": product.name,
            "kind": "attention",
            "macs": product.macs,
            "input_bits": getattr(attention.query, "bits", None),
            "softmax_bits": getattr(attention.softmax, "bits", None),
        }


def _modules(model: SamMed2D, kind: type[_Kind]) -> list[tuple[str, _Kind]]:
    return [(path, module) for path, module in model.image_encoder.named_modules() if isinstance(module, kind)]


def _inside_quantizer(layer: str, integer: Collection[str]) -> bool:
    places = ("input_quantizer", "query", "key", "value", "softmax")
    return layer in integer or layer.rpartition(".")[2] in places


def _array(value: Tensor, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(value.detach().cpu().numpy().astype(dtype))


def _layer_tensors(name: str, layer: QuantizedLayer) -> dict[str, np.ndarray]:
    tensors = _weight_tensors(name, layer.weight_codes, layer.weight_scale, layer.weight_zero_point, layer.weight_bits)
    quantizer = layer.input_quantizer
    scale = quantizer.scale
    zero_point = torch.zeros_like(scale) if isinstance(quantizer, PixelQuantizer) else quantizer.zero_point
    bias = torch.zeros_like(layer.weight_scale) if layer.bias is None else layer.bias
    tensors[f"{name}.input.scale"] = _array(scale, np.float32)
    tensors[f"{name}.input.zero_point"] = _array(zero_point, np.uint8)
    tensors[f"{name}.bias"] = _array(bias, np.float32)
    return tensors


def _weight_tensors(name: str, codes: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> dict[str, np.ndarray]:
    return {
        f"{name}.weight.codes": pack_codes(_array(codes, np.uint8), bits),
        f"{name}.weight.scale": _array(scale, np.float32),
        f"{name}.weight.zero_point": _array(zero_point, np.uint8),
    }


def _attention_tensors(name: str, attention: Attention, heads: int) -> dict[str, np.ndarray]:
    tensors = {}
    for letter, place in (("q", attention.query), ("k", attention.key), ("v", attention.value)):
        quantizer = cast(UniformQuantizer, place)
        tensors[f"{name}.{letter}.scale"] = _array(quantizer.scale.flatten().expand(heads), np.float32)
        tensors[f"{name}.{letter}.zero_point"] = _array(quantizer.zero_point.flatten().expand(heads), np.uint8)
    softmax = cast(LogarithmicSoftmax, attention.softmax)
    tensors[f"{name}.softmax.scale"] = _array(softmax.delta.flatten().expand(heads), np.float32)
    tensors[f"{name}.softmax.step"] = _array(softmax.step.reshape(1), np.float32)
    return tensors
