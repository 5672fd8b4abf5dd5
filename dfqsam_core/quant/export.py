"""From a calibrated network to the tensors and the layer table of a packed model."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..model import SamMed2D
from ..model.attention import Attention
from ..store.model_checks import is_position_table
from ..store.packing import pack_codes
from .calibration.quantized_layers import FloatLayer, PixelQuantizer, QuantizedLayer, rows_of_weight, weight_of_rows
from .calibration.quantizers import LogarithmicSoftmax, UniformQuantizer
from .calibration.ranges import ShrunkenRanges
from .calibration.weight_ranges import search_weight_range, weight_codes
from .plan import NetworkPlan

# Of weights that are computed in float.
_WEIGHT_RANGES = ShrunkenRanges(8)

_Kind = TypeVar("_Kind", bound=nn.Module)


def round_float_layers(model: SamMed2D, plan: NetworkPlan) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Round the weights of those layers, in place, that `plan` stores as codes and computes in float.

    Returns codes (out, row), scale and zero point (out,) by layer name.
    """
    packed = {}
    for name, layer_plan in plan.weight_layers().items():
        layer, bits = cast(FloatLayer, model.get_submodule(name)), layer_plan.weight_bits
        rows = rows_of_weight(layer, layer.weight.detach())
        scale, zero_point = search_weight_range(rows, bits, torch.ones_like(rows[0]), _WEIGHT_RANGES)
        codes = weight_codes(rows, scale, zero_point, bits)
        layer.weight.data = weight_of_rows(layer, (codes - zero_point) * scale)
        packed[name] = (codes, scale[:, 0], zero_point[:, 0])
    return packed


def round_position_tables(model: SamMed2D) -> None:
    """Round the position tables to float16, as they are stored; raises CheckpointError where one is too large."""
    for name, parameter in model.named_parameters():
        if is_position_table(name):
            rounded = parameter.data.half().float()
            # What is no number comes from a layer that overflowed; calibration names it.
            if rounded.isinf().any() and parameter.isfinite().all():
                raise CheckpointError(
                    f"The position table {name} reaches {parameter.abs().max():.1e}, and float16, in which it is kept, "
                    "ends at 65504. The checkpoint's weights are damaged, or its training diverged: take another one."
                )
            parameter.data = rounded


def export_tensors(
    model: SamMed2D, decoder: dict[str, tuple[Tensor, Tensor, Tensor]], plan: NetworkPlan
) -> dict[str, np.ndarray]:
    """Tensors of docs/how/model_file.md for a model calibrated by `plan`, by name; decoder: of `round_float_layers`."""
    integer = {f"image_encoder.{path}": module for path, module in _modules(model, QuantizedLayer)}
    tensors: dict[str, np.ndarray] = {}
    for name, module in integer.items():
        tensors |= _layer_tensors(name, module)
    for path, attention in _modules(model, Attention):
        tensors |= _attention_tensors(f"image_encoder.{path}", attention, model.architecture.num_heads)
    for name, layer_plan in plan.weight_layers().items():
        tensors |= _weight_tensors(name, *decoder[name], layer_plan.weight_bits)
    for name, value in model.state_dict().items():
        layer = name.rpartition(".")[0]
        is_code = layer in integer or (layer in decoder and name.endswith(".weight"))
        if not is_code and not _inside_quantizer(layer, integer):
            tensors[name] = _array(value, np.float16 if is_position_table(name) else np.float32)
    return tensors


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
    softmax = attention.softmax
    if isinstance(softmax, LogarithmicSoftmax):
        tensors[f"{name}.softmax.scale"] = _array(softmax.delta.flatten().expand(heads), np.float32)
        tensors[f"{name}.softmax.step"] = _array(softmax.step.reshape(1), np.float32)
    return tensors
