"""What a network multiplies in all: its layers, and the products of attention beside them.

One MAC is one multiplication with its addition. Counts are for one image and, in the decoder, one box (7 tokens).
"""

from __future__ import annotations

from dataclasses import dataclass

from .architecture import Architecture
from .layers import BOX_TOKENS, DECODER_DEPTH, MASK_TOKENS, encoder_layers


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
