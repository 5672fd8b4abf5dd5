"""Packed models without a quantization method: ranges are simply the minimum and maximum."""

from __future__ import annotations

from typing import Any

import numpy as np

from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.layers import LayerSpec, decoder_layers, encoder_layers
from dfqsam_core.network.macs import attention_products
from dfqsam_core.store.card import DIGEST_KEY, build_card
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.model_checks import is_position_table
from dfqsam_core.store.model_file import StoredModel
from dfqsam_core.store.packing import pack_codes
from dfqsam_core.store.tensor_digest import tensors_digest

from .toy import random_tensors, toy_architecture

SOURCE = FileSource("toy.safetensors", "0" * 64, 1234)


def packed_toy(seed: int = 0, architecture: Architecture | None = None) -> StoredModel:
    """Encoder at 4 bits with inputs of 4 (pixels and neck 8), decoder weight-only at 8; random input scales."""
    architecture = architecture or toy_architecture()
    generator = np.random.default_rng(seed)
    tensors = {
        name: value.astype(np.float16) if is_position_table(name) else value
        for name, value in random_tensors(architecture, seed).items()
    }
    entries: list[dict[str, Any]] = []
    for layer in encoder_layers(architecture) + decoder_layers(architecture):
        if layer.name.startswith("prompt_encoder."):
            continue
        in_encoder = layer.name.startswith("image_encoder.")
        weight_bits, input_bits = (4, 8 if "block" not in layer.name else 4) if in_encoder else (8, None)
        tensors |= quantized_weight(layer, tensors.pop(f"{layer.name}.weight"), weight_bits)
        if input_bits:
            length = layer.in_channels if layer.name.endswith(("qkv", "lin1", "patch_embed.proj")) else 1
            tensors |= _quantizer(generator, f"{layer.name}.input", length, input_bits)
            tensors.setdefault(f"{layer.name}.bias", np.full(layer.out_channels, 0.01, np.float32))
        entries.append(
            {"name": layer.name, "kind": layer.kind, "macs": layer.macs}
            | {"weight_bits": weight_bits, "input_bits": input_bits}
        )
    for product in attention_products(architecture):
        for part in "qkv":
            tensors |= _quantizer(generator, f"{product.name}.{part}", architecture.num_heads, 4)
        tensors[f"{product.name}.softmax.scale"] = np.ones(architecture.num_heads, np.float32)
        tensors[f"{product.name}.softmax.step"] = np.full(1, 0.4, np.float32)
        entries.append(
            {"name": product.name, "kind": "attention", "macs": product.macs, "input_bits": 4, "softmax_bits": 4}
        )
    return StoredModel(architecture, card_of(architecture, entries, tensors), tensors)


def card_of(
    architecture: Architecture, entries: list[dict[str, Any]], tensors: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Card of a test model."""
    card = build_card(
        architecture=architecture,
        layers=entries,
        source=SOURCE,
        recipe={"name": "minimum and maximum"},
        seed=0,
        tensor_bytes={name: tensor.nbytes for name, tensor in tensors.items()},
        versions={},
    )
    return card | {DIGEST_KEY: tensors_digest(tensors)}


def quantized_weight(layer: LayerSpec, weight: np.ndarray, bits: int) -> dict[str, np.ndarray]:
    """Codes, scale and zero point of one weight, by the names of the model file."""
    by_output = weight.swapaxes(0, 1) if layer.kind == "conv_transpose" else weight
    rows = by_output.reshape(layer.out_channels, -1)
    low, high = np.minimum(rows.min(1), 0), np.maximum(rows.max(1), 0)
    if bits == 8:
        scale, zero = np.maximum(high, -low) / 127, np.full(len(rows), 128.0)
    else:
        scale = (high - low) / (2**bits - 1)
        zero = np.rint(-low / scale)
    codes = np.clip(np.rint(rows / scale[:, None]) + zero[:, None], 1 if bits == 8 else 0, 2**bits - 1)
    return {
        f"{layer.name}.weight.codes": pack_codes(codes.astype(np.uint8), bits),
        f"{layer.name}.weight.scale": scale.astype(np.float32),
        f"{layer.name}.weight.zero_point": zero.astype(np.uint8),
    }


def _quantizer(generator: np.random.Generator, name: str, length: int, bits: int) -> dict[str, np.ndarray]:
    scale = generator.uniform(0.2, 0.4, length) * 16 / 2**bits
    zero = generator.integers(2 ** (bits - 1) - 1, 2 ** (bits - 1) + 2, length)
    return {f"{name}.scale": scale.astype(np.float32), f"{name}.zero_point": zero.astype(np.uint8)}
