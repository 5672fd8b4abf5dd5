"""The one table of a network: every tensor and every layer in the order of the published state dict.

Names, shapes, positions and what may be coded are told here alone; shapes of tensors and costs are read from it.
One MAC is one multiplication with its addition. Counts are for one image and, in the decoder, one box (7 tokens).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .architecture import Architecture, Shape

Kind = Literal["linear", "conv", "conv_transpose"]

# The mask decoder is the same in every SAM.
DECODER_DEPTH, DECODER_HEADS, DECODER_MLP, MASK_TOKENS = 2, 8, 2048, 4
# One IoU token, the mask tokens and the two corners of a box.
BOX_TOKENS = 1 + MASK_TOKENS + 2
_UPSAMPLING = 2


@dataclass(frozen=True)
class ValueSpec:
    """A tensor of values that stay float: of a norm, a position table, a token or an embedding."""

    name: str
    shape: Shape

    @property
    def tensors(self) -> dict[str, Shape]:
        """Shapes by name in the float state dict."""
        return {self.name: self.shape}


@dataclass(frozen=True)
class LayerSpec:
    """One Linear, Conv2d or ConvTranspose2d.

    name: its name in the float state dict, without ".weight".
    weight_shape: as in the float state dict; (in, out, kh, kw) for conv_transpose, else (out, in, ...).
    output_positions: output tokens or pixels per image; padding tokens of windowed attention are not computed.
    """

    name: str
    kind: Kind
    weight_shape: Shape
    has_bias: bool
    output_positions: int

    @property
    def tensors(self) -> dict[str, Shape]:
        """Shapes by name in the float state dict."""
        bias = {f"{self.name}.bias": (self.out_channels,)} if self.has_bias else {}
        return {f"{self.name}.weight": self.weight_shape} | bias

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image; for prompt_encoder.mask_downscaling those of one mask prompt."""
        # A ConvTranspose2d multiplies its whole kernel once per input position.
        transposed = self.kind == "conv_transpose"
        return math.prod(self.weight_shape) * (self.output_positions // (_UPSAMPLING**2 if transposed else 1))

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

    @property
    def may_code_weight(self) -> bool:
        """True where a quantization may store the weight as codes; the prompt encoder's few weights stay float."""
        return not self.name.startswith("prompt_encoder.")

    @property
    def may_code_input(self) -> bool:
        """True where the input may become codes as well; the mask decoder is computed in float."""
        return self.name.startswith("image_encoder.")


@functools.lru_cache(maxsize=16)
def network_table(architecture: Architecture) -> tuple[LayerSpec | ValueSpec, ...]:
    """Every layer, and every tensor outside of layers, in the order of the published state dict."""
    width = architecture.out_chans
    return (*_encoder(architecture), *_prompt_encoder(architecture.grid, width), *_decoder(architecture.grid, width))


def encoder_layers(architecture: Architecture) -> list[LayerSpec]:
    """Layers of the image encoder, in the order in which they run."""
    return [layer for layer in _layers(architecture) if layer.name.startswith("image_encoder.")]


def decoder_layers(architecture: Architecture) -> list[LayerSpec]:
    """Layers of the prompt encoder's mask_downscaling and of the mask decoder."""
    return [layer for layer in _layers(architecture) if not layer.name.startswith("image_encoder.")]


def _layers(architecture: Architecture) -> Iterator[LayerSpec]:
    return (row for row in network_table(architecture) if isinstance(row, LayerSpec))


def _encoder(a: Architecture) -> Iterator[LayerSpec | ValueSpec]:
    name, width, tokens = "image_encoder", a.embed_dim, a.grid**2
    yield ValueSpec(f"{name}.pos_embed", (1, a.grid, a.grid, width))
    yield LayerSpec(f"{name}.patch_embed.proj", "conv", (width, 3, a.patch_size, a.patch_size), True, tokens)
    for index in range(a.depth):
        yield from _block(a, index)
    yield LayerSpec(f"{name}.neck.0", "conv", (a.out_chans, width, 1, 1), False, tokens)
    yield from _norm(f"{name}.neck.1", a.out_chans)
    yield LayerSpec(f"{name}.neck.2", "conv", (a.out_chans, a.out_chans, 3, 3), False, tokens)
    yield from _norm(f"{name}.neck.3", a.out_chans)


def _block(a: Architecture, index: int) -> Iterator[LayerSpec | ValueSpec]:
    name, width, tokens = f"image_encoder.blocks.{index}", a.embed_dim, a.grid**2
    yield from _norm(f"{name}.norm1", width)
    for axis in "hw":
        yield ValueSpec(f"{name}.attn.rel_pos_{axis}", (2 * (a.window_of(index) or a.grid) - 1, a.head_dim))
    yield _linear(f"{name}.attn.qkv", width, 3 * width, tokens)
    yield _linear(f"{name}.attn.proj", width, width, tokens)
    yield from _norm(f"{name}.norm2", width)
    yield _linear(f"{name}.mlp.lin1", width, a.mlp_dim, tokens)
    yield _linear(f"{name}.mlp.lin2", a.mlp_dim, width, tokens)
    if a.has_adapters:
        yield from _norm(f"{name}.Adapter.norm", width)
        yield LayerSpec(f"{name}.Adapter.channel.0", "linear", (a.adapter_dim, width), False, 1)
        yield LayerSpec(f"{name}.Adapter.channel.2", "linear", (width, a.adapter_dim), False, 1)
        yield LayerSpec(f"{name}.Adapter.spatial.0", "conv", (width, width, 3, 3), False, tokens // 4)
        yield LayerSpec(f"{name}.Adapter.spatial.2", "conv_transpose", (width, width, 4, 4), False, tokens)


def _prompt_encoder(grid: int, width: int) -> Iterator[LayerSpec | ValueSpec]:
    name, pixels = "prompt_encoder", grid**2
    yield ValueSpec(f"{name}.pe_layer.positional_encoding_gaussian_matrix", (2, width // 2))
    for index in range(4):
        yield ValueSpec(f"{name}.point_embeddings.{index}.weight", (1, width))
    yield ValueSpec(f"{name}.not_a_point_embed.weight", (1, width))
    yield LayerSpec(f"{name}.mask_downscaling.0", "conv", (4, 1, 2, 2), True, 4 * pixels)
    yield from _norm(f"{name}.mask_downscaling.1", 4)
    yield LayerSpec(f"{name}.mask_downscaling.3", "conv", (16, 4, 2, 2), True, pixels)
    yield from _norm(f"{name}.mask_downscaling.4", 16)
    yield LayerSpec(f"{name}.mask_downscaling.6", "conv", (width, 16, 1, 1), True, pixels)
    yield ValueSpec(f"{name}.no_mask_embed.weight", (1, width))


def _decoder(grid: int, width: int) -> Iterator[LayerSpec | ValueSpec]:
    name, pixels, wide, narrow = "mask_decoder", grid**2, width // 4, width // 8
    for index in range(DECODER_DEPTH):
        yield from _two_way_block(f"{name}.transformer.layers.{index}", width, pixels)
    yield from _attention(f"{name}.transformer.final_attn_token_to_image", width, width // 2, BOX_TOKENS, pixels)
    yield from _norm(f"{name}.transformer.norm_final_attn", width)
    yield ValueSpec(f"{name}.iou_token.weight", (1, width))
    yield ValueSpec(f"{name}.mask_tokens.weight", (MASK_TOKENS, width))
    yield LayerSpec(f"{name}.output_upscaling.0", "conv_transpose", (width, wide, 2, 2), True, 4 * pixels)
    yield from _norm(f"{name}.output_upscaling.1", wide)
    yield LayerSpec(f"{name}.output_upscaling.3", "conv_transpose", (wide, narrow, 2, 2), True, 16 * pixels)
    heads = [(f"output_hypernetworks_mlps.{index}", narrow) for index in range(MASK_TOKENS)]
    for head, outputs in [*heads, ("iou_prediction_head", MASK_TOKENS)]:
        for index, rows in enumerate((width, width, outputs)):
            yield _linear(f"{name}.{head}.layers.{index}", width, rows, 1)


def _two_way_block(name: str, width: int, pixels: int) -> Iterator[LayerSpec | ValueSpec]:
    yield from _attention(f"{name}.self_attn", width, width, BOX_TOKENS, BOX_TOKENS)
    yield from _norm(f"{name}.norm1", width)
    yield from _attention(f"{name}.cross_attn_token_to_image", width, width // 2, BOX_TOKENS, pixels)
    yield from _norm(f"{name}.norm2", width)
    yield _linear(f"{name}.mlp.lin1", width, DECODER_MLP, BOX_TOKENS)
    yield _linear(f"{name}.mlp.lin2", DECODER_MLP, width, BOX_TOKENS)
    yield from _norm(f"{name}.norm3", width)
    yield from _norm(f"{name}.norm4", width)
    yield from _attention(f"{name}.cross_attn_image_to_token", width, width // 2, pixels, BOX_TOKENS)


def _attention(name: str, width: int, inner: int, queries: int, keys: int) -> Iterator[LayerSpec]:
    for part, positions in {"q": queries, "k": keys, "v": keys}.items():
        yield _linear(f"{name}.{part}_proj", width, inner, positions)
    yield _linear(f"{name}.out_proj", inner, width, queries)


def _linear(name: str, inputs: int, outputs: int, positions: int) -> LayerSpec:
    return LayerSpec(name, "linear", (outputs, inputs), True, positions)


def _norm(name: str, width: int) -> Iterator[ValueSpec]:
    yield ValueSpec(f"{name}.weight", (width,))
    yield ValueSpec(f"{name}.bias", (width,))
