"""The matrix products of a network: which layers there are, what shape their weights have, and what they cost.

One MAC is one multiplication with its addition. Counts are for one image and, in the decoder, one box (7 tokens).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .architecture import Architecture, Shape, expected_shapes
from .tensor_shapes import DECODER_DEPTH, MASK_TOKENS

Kind = Literal["linear", "conv", "conv_transpose"]

# One IoU token, the mask tokens and the two corners of a box.
BOX_TOKENS = 1 + MASK_TOKENS + 2
_UPSAMPLING = 2


@dataclass(frozen=True)
class LayerSpec:
    """One Linear, Conv2d or ConvTranspose2d.

    name: its name in the float state dict, without ".weight".
    weight_shape: as in the float state dict; (in, out, kh, kw) for conv_transpose, else (out, in, ...).
    output_positions: output tokens or pixels per image; padding tokens of windowed attention are not computed.
    macs: multiply-accumulates per image; for prompt_encoder.mask_downscaling those of one mask prompt.
    """

    name: str
    kind: Kind
    weight_shape: Shape
    has_bias: bool
    output_positions: int
    macs: int

    @property
    def out_channels(self) -> int:
        """Number of output channels, which is the number of rows of packed codes."""
        return self.weight_shape[1 if self.kind == "conv_transpose" else 0]

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return self.weight_shape[0 if self.kind == "conv_transpose" else 1]

    @property
    def row_length(self) -> int:
        """Codes per row once the output channel is the first axis."""
        return math.prod(self.weight_shape) // self.out_channels

    @property
    def row_shape(self) -> Shape:
        """Shape of one row: (in,) for linear, else (in, kh, kw)."""
        return (self.in_channels, *self.weight_shape[2:])


@dataclass(frozen=True)
class AttentionProducts:
    """MACs of one encoder block's attention besides its two layers; name: for instance image_encoder.blocks.0.attn."""

    name: str
    query_key_macs: int
    attention_value_macs: int
    relative_position_macs: int

    @property
    def macs(self) -> int:
        """All three products together."""
        return self.query_key_macs + self.attention_value_macs + self.relative_position_macs


def encoder_layers(architecture: Architecture) -> list[LayerSpec]:
    """Layers of the image encoder, in the order in which they run."""
    return _specs(architecture, _encoder_positions(architecture))


def decoder_layers(architecture: Architecture) -> list[LayerSpec]:
    """Layers of the prompt encoder's mask_downscaling and of the mask decoder."""
    return _specs(architecture, _decoder_positions(architecture.grid))


def attention_products(architecture: Architecture, skip_pads: bool = True) -> list[AttentionProducts]:
    """Cost of Q K^T, of attention times V and of the relative positions, one entry per encoder block.

    skip_pads: leave out the queries that are padding (exact: their outputs are thrown away); False counts as published.
    """
    return [_products(architecture, block, skip_pads) for block in range(architecture.depth)]


def encoder_macs(architecture: Architecture, skip_pads: bool = True) -> int:
    """MACs of the image encoder; with `skip_pads` False as published, with the padding tokens computed."""
    layers = sum(layer.macs for layer in encoder_layers(architecture))
    products = sum(product.macs for product in attention_products(architecture, skip_pads))
    return layers + products + (0 if skip_pads else _padding_macs(architecture))


def decoder_product_macs(architecture: Architecture) -> int:
    """MACs of the mask decoder outside its layers: its attention products and hyper-network times pixels."""
    pixels, tokens, width = architecture.grid**2, BOX_TOKENS, architecture.out_chans
    self_attention = 2 * tokens * tokens * width
    cross_attention = 2 * tokens * pixels * (width // 2)
    masks = MASK_TOKENS * (width // 8) * 16 * pixels
    return DECODER_DEPTH * (self_attention + 2 * cross_attention) + cross_attention + masks


def _specs(architecture: Architecture, positions: Iterator[tuple[str, int]]) -> list[LayerSpec]:
    shapes = expected_shapes(architecture)
    return [_spec(name, shapes[f"{name}.weight"], f"{name}.bias" in shapes, count) for name, count in positions]


def _spec(name: str, shape: Shape, has_bias: bool, positions: int) -> LayerSpec:
    transposed = ".Adapter.spatial.2" in name or ".output_upscaling." in name
    kind: Kind = "linear" if len(shape) == 2 else "conv_transpose" if transposed else "conv"
    # A ConvTranspose2d multiplies its whole kernel once per input position.
    passes = positions // _UPSAMPLING**2 if transposed else positions
    return LayerSpec(name, kind, shape, has_bias, positions, math.prod(shape) * passes)


def _encoder_positions(a: Architecture) -> Iterator[tuple[str, int]]:
    tokens = a.grid**2
    yield "image_encoder.patch_embed.proj", tokens
    for index in range(a.depth):
        block = f"image_encoder.blocks.{index}"
        yield from ((f"{block}.{layer}", tokens) for layer in ("attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2"))
        if a.has_adapters:
            yield f"{block}.Adapter.channel.0", 1
            yield f"{block}.Adapter.channel.2", 1
            yield f"{block}.Adapter.spatial.0", tokens // 4
            yield f"{block}.Adapter.spatial.2", tokens
    yield "image_encoder.neck.0", tokens
    yield "image_encoder.neck.2", tokens


def _decoder_positions(grid: int) -> Iterator[tuple[str, int]]:
    pixels, tokens = grid**2, BOX_TOKENS
    yield "prompt_encoder.mask_downscaling.0", 4 * pixels
    yield "prompt_encoder.mask_downscaling.3", pixels
    yield "prompt_encoder.mask_downscaling.6", pixels
    for index in range(DECODER_DEPTH):
        layer = f"mask_decoder.transformer.layers.{index}"
        yield from _attention_positions(f"{layer}.self_attn", tokens, tokens)
        yield from _attention_positions(f"{layer}.cross_attn_token_to_image", tokens, pixels)
        yield f"{layer}.mlp.lin1", tokens
        yield f"{layer}.mlp.lin2", tokens
        yield from _attention_positions(f"{layer}.cross_attn_image_to_token", pixels, tokens)
    yield from _attention_positions("mask_decoder.transformer.final_attn_token_to_image", tokens, pixels)
    yield "mask_decoder.output_upscaling.0", 4 * pixels
    yield "mask_decoder.output_upscaling.3", 16 * pixels
    heads = [f"output_hypernetworks_mlps.{index}" for index in range(MASK_TOKENS)]
    for head in [*heads, "iou_prediction_head"]:
        yield from ((f"mask_decoder.{head}.layers.{index}", 1) for index in range(3))


def _attention_positions(name: str, queries: int, keys: int) -> Iterator[tuple[str, int]]:
    for part, positions in {"q": queries, "k": keys, "v": keys, "out": queries}.items():
        yield f"{name}.{part}_proj", positions


def _products(a: Architecture, block: int, skip_pads: bool) -> AttentionProducts:
    side = a.window_of(block) or a.grid
    queries = a.grid**2 if skip_pads else _padded_tokens(a, block)
    product = queries * side**2 * a.embed_dim
    return AttentionProducts(f"image_encoder.blocks.{block}.attn", product, product, queries * 2 * side * a.embed_dim)


def _padded_tokens(a: Architecture, block: int) -> int:
    side = a.window_of(block) or a.grid
    return (-(-a.grid // side) * side) ** 2


def _padding_macs(a: Architecture) -> int:
    pads = sum(_padded_tokens(a, block) - a.grid**2 for block in range(a.depth))
    return pads * 4 * a.embed_dim**2
