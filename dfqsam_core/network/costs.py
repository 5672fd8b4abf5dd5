"""What one image and one box cost in bit operations, product by product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .architecture import Architecture
from .layers import decoder_layers, encoder_layers
from .macs import attention_products, decoder_product_macs, encoder_macs

_FLOAT_BITS = 32
_BY_RECIPE = "kept by the recipe"
_FLOAT_SOFTMAX = "its softmax is float: over so many tokens, codes take more time than they save"


@dataclass(frozen=True)
class Product:
    """One matrix product: bits of its two factors (32 where it is computed in float) and the reason for float."""

    name: str
    macs: int
    bits: tuple[int, int] = (_FLOAT_BITS, _FLOAT_BITS)
    reason: str = ""
    arithmetic: str = "float32"

    @property
    def is_float(self) -> bool:
        """True where the product is computed in float32."""
        return self.arithmetic.startswith("float32")

    @property
    def is_codes_in_float(self) -> bool:
        """True where the factors are codes that the engine multiplies in float32, as it does inside attention."""
        return self.arithmetic.endswith("multiplied in float32")

    @property
    def bit_operations(self) -> int:
        """MACs times the bits of both factors."""
        return self.macs * self.bits[0] * self.bits[1]


def products(architecture: Architecture, layers: Sequence[Mapping[str, Any]]) -> list[Product]:
    """Every matrix product of one image and one box; `layers` are the entries of a card's layer table."""
    entries = {layer["name"]: layer for layer in layers}
    return [*_layer_products(architecture, entries), *_attention(architecture, entries), _decoder(architecture)]


def bit_operations(architecture: Architecture, layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Bit operations (MACs x bits x bits), their ratio to float32 x float32, and every product that stays in float.

    "as_computed" counts as float32 what the engine computes so although both factors are codes.
    """
    all_products = products(architecture, layers)
    macs = sum(product.macs for product in all_products)
    total = sum(product.bit_operations for product in all_products)
    in_float = [product for product in all_products if product.is_codes_in_float]
    as_computed = total + sum(product.macs * _FLOAT_BITS**2 - product.bit_operations for product in in_float)
    return {
        "counted_for": "one image and one box; padding tokens of windowed attention are skipped in both models",
        "macs": macs,
        "macs_with_padding": macs + encoder_macs(architecture, skip_pads=False) - encoder_macs(architecture),
        "total": total,
        "ratio_to_float32": round(macs * _FLOAT_BITS**2 / total, 3),
        "as_computed": as_computed,
        "ratio_to_float32_as_computed": round(macs * _FLOAT_BITS**2 / as_computed, 3),
        "codes_multiplied_in_float32": {product.name: product.macs for product in in_float},
        "float": {product.name: product.macs for product in all_products if product.is_float},
    }


def _layer_products(architecture: Architecture, entries: Mapping[str, Mapping[str, Any]]) -> Iterator[Product]:
    for layer in encoder_layers(architecture) + decoder_layers(architecture):
        # A box brings no mask prompt.
        if layer.name.startswith("prompt_encoder."):
            continue
        entry = entries.get(layer.name, {})
        weight_bits, input_bits = entry.get("weight_bits"), entry.get("input_bits")
        if weight_bits and input_bits:
            text = f"integer, {weight_bits}-bit weights x {input_bits}-bit inputs"
            yield Product(layer.name, layer.macs, (weight_bits, input_bits), arithmetic=text)
        elif weight_bits:
            text = f"float32, {weight_bits}-bit weights restored at load"
            yield Product(layer.name, layer.macs, reason="weight-only by the recipe", arithmetic=text)
        else:
            yield Product(layer.name, layer.macs, reason=_BY_RECIPE)


def _attention(architecture: Architecture, entries: Mapping[str, Mapping[str, Any]]) -> Iterator[Product]:
    for product in attention_products(architecture):
        entry = entries.get(product.name, {})
        inputs, softmax = entry.get("input_bits"), entry.get("softmax_bits")
        yield _on_codes(f"{product.name}.query_key", product.query_key_macs, inputs, inputs)
        reason = _FLOAT_SOFTMAX if inputs and not softmax else _BY_RECIPE
        yield _on_codes(f"{product.name}.attention_value", product.attention_value_macs, softmax, inputs, reason)
        reason = "computed from the unquantized query"
        yield Product(f"{product.name}.relative_position", product.relative_position_macs, reason=reason)


def _on_codes(name: str, macs: int, left: int | None, right: int | None, reason: str = _BY_RECIPE) -> Product:
    if left and right:
        return Product(name, macs, (left, right), arithmetic=f"{left}-bit x {right}-bit codes, multiplied in float32")
    return Product(name, macs, reason=reason)


def _decoder(architecture: Architecture) -> Product:
    reason = "few operations, of great influence on the mask"
    return Product("mask_decoder.attention_and_masks", decoder_product_macs(architecture), reason=reason)
