"""A packed model of random weights whose quantizers span the minimum and maximum seen on one random image."""

from __future__ import annotations

from typing import Any

import numpy as np

from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.layers import LayerSpec, encoder_layers
from dfqsam_core.network.macs import attention_products
from dfqsam_core.network.pixels import PIXEL_MEAN, PIXEL_STD
from dfqsam_core.store.model_file import StoredModel

from .packed import card_of, quantized_weight
from .reference_encoder import ReferenceEncoder
from .toy import random_tensors, toy_architecture

# Weight and input bits by the end of a layer's name; None leaves that part in float.
Bits = dict[str, tuple[int | None, int | None]]


def float_toy(seed: int = 0, architecture: Architecture | None = None) -> StoredModel:
    """The same network as a model without any codes."""
    architecture = architecture or toy_architecture()
    return StoredModel(architecture, {"layers": []}, random_tensors(architecture, seed))


def random_pixels(architecture: Architecture, seed: int = 0) -> np.ndarray:
    """A smooth random image, uint8 (S, S, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    return np.kron(coarse, np.ones((architecture.image_size // 8,) * 2 + (1,))).astype(np.uint8)


def calibrated_toy(
    weight_bits: int = 4,
    input_bits: int = 4,
    seed: int = 0,
    architecture: Architecture | None = None,
    exceptions: Bits | None = None,
    attention: tuple[int | None, int | None] | None = None,
    per_channel: tuple[str, ...] = ("attn.qkv", "mlp.lin1"),
) -> StoredModel:
    """Quantize every layer of the toy's encoder to `weight_bits` and `input_bits`; the decoder stays float.

    exceptions: other bits of the layers whose names end so. attention: bits of q, k, v and of the softmax; None for
    `input_bits`. per_channel: endings of the layers whose input has a scale for each channel.
    """
    model = float_toy(seed, architecture)
    reference = ReferenceEncoder(model)
    reference(random_pixels(model.architecture, seed))
    tensors, entries = dict(model.tensors), []
    for layer in encoder_layers(model.architecture):
        bits = next((b for end, b in (exceptions or {}).items() if layer.name.endswith(end)), (weight_bits, input_bits))
        if bits[0] is not None:
            _quantize_layer(tensors, layer, *bits, reference.inputs[layer.name], layer.name.endswith(per_channel))
            entries.append(_entry(layer.name, layer.kind, layer.macs, weight_bits=bits[0], input_bits=bits[1]))
    coded, softmax = attention or (input_bits, input_bits)
    for product in attention_products(model.architecture):
        _quantize_attention(tensors, product.name, coded, softmax, reference.inputs)
        if (coded, softmax) != (None, None):
            entries.append(_entry(product.name, "attention", product.macs, input_bits=coded, softmax_bits=softmax))
    for name in tensors:
        if name.endswith(("pos_embed", "rel_pos_h", "rel_pos_w")):
            tensors[name] = tensors[name].astype(np.float16)
    return StoredModel(model.architecture, card_of(model.architecture, entries, tensors), tensors)


def _entry(name: str, kind: str, macs: int, **bits: int | None) -> dict[str, Any]:
    return {"name": name, "kind": kind, "macs": macs, **bits}


def _quantize_layer(
    tensors: dict[str, np.ndarray],
    layer: LayerSpec,
    weight_bits: int,
    input_bits: int | None,
    x: np.ndarray,
    per_channel: bool,
) -> None:
    weight = tensors.pop(f"{layer.name}.weight")
    if input_bits is not None and layer.name.endswith("patch_embed.proj"):
        mean, std = (np.array(v)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
        scale, zero = 255 / (2**input_bits - 1) / std.ravel(), np.zeros(3)
        tensors[f"{layer.name}.bias"] = _float32(tensors[f"{layer.name}.bias"] - (weight * mean / std).sum((1, 2, 3)))
    elif input_bits is not None:
        scale, zero = _min_max(x if per_channel else x.reshape(-1, 1), input_bits)
    if input_bits is not None:
        tensors.setdefault(f"{layer.name}.bias", np.linspace(-0.01, 0.01, layer.out_channels, dtype=np.float32))
        _store(tensors, f"{layer.name}.input", scale, zero)
        if len(scale) > 1:
            weight = weight * scale.reshape(1, -1, *(1,) * (weight.ndim - 2))
    tensors |= quantized_weight(layer, _float32(weight), weight_bits)


def _quantize_attention(
    tensors: dict[str, np.ndarray], name: str, bits: int | None, softmax_bits: int | None, inputs: dict[str, np.ndarray]
) -> None:
    if bits is not None:
        for part in "qkv":
            values = inputs[f"{name}.{part}"]
            _store(tensors, f"{name}.{part}", *_min_max(values.reshape(len(values), -1).T, bits))
    if softmax_bits is not None:
        tensors[f"{name}.softmax.scale"] = _float32(inputs[f"{name}.softmax"].max((1, 2)))
        tensors[f"{name}.softmax.step"] = _float32([0.4])


def _min_max(x: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of each column of x."""
    low, high = np.minimum(x.min(0), 0), np.maximum(x.max(0), 1e-3)
    scale = (high - low) / (2**bits - 1)
    return scale, np.rint(-low / scale)


def _store(tensors: dict[str, np.ndarray], name: str, scale: np.ndarray, zero_point: np.ndarray) -> None:
    tensors[f"{name}.scale"] = _float32(scale)
    tensors[f"{name}.zero_point"] = zero_point.astype(np.uint8)


def _float32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)
