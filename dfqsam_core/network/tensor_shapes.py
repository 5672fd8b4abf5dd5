"""Name and shape of each tensor of a network, in the order of the published state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import CheckpointError

if TYPE_CHECKING:
    from .architecture import Architecture

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

# The mask decoder is the same in every SAM.
DECODER_DEPTH, DECODER_HEADS, DECODER_MLP, MASK_TOKENS = 2, 8, 2048, 4


def expected_shapes(architecture: Architecture) -> Shapes:
    """Name and shape of every tensor in the float state dict of `architecture`, in its order (SAM-Med2D ViT-B: 386)."""
    return (
        _under("image_encoder", _encoder_shapes(architecture))
        | _under("prompt_encoder", _prompt_shapes(architecture.out_chans))
        | _under("mask_decoder", _decoder_shapes(architecture.out_chans))
    )


def check_shapes(shapes: Mapping[str, Shape], architecture: Architecture) -> None:
    """Raise CheckpointError, naming the first few faults, unless `shapes` are exactly those of `architecture`."""
    expected = expected_shapes(architecture)
    common = [key for key in expected if key in shapes]
    faults = {
        "tensors are missing": [repr(key) for key in expected if key not in shapes],
        "tensors do not belong there": [repr(key) for key in shapes if key not in expected],
        "tensors have a wrong shape": [
            f"{key!r} is {shapes[key]}, not {expected[key]}" for key in common if shapes[key] != expected[key]
        ],
    }
    for fault, names in faults.items():
        if names:
            first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise CheckpointError(
                f"The checkpoint looks like {architecture.name}, but {len(names)} {fault}: {first}. "
                "Get an undamaged copy of the whole state dict."
            )


def _encoder_shapes(a: Architecture) -> Shapes:
    shapes: Shapes = {"pos_embed": (1, a.grid, a.grid, a.embed_dim)}
    shapes |= _affine("patch_embed.proj", (a.embed_dim, 3, a.patch_size, a.patch_size))
    for index in range(a.depth):
        shapes |= _under(f"blocks.{index}", _block_shapes(a, index))
    shapes |= {"neck.0.weight": (a.out_chans, a.embed_dim, 1, 1)} | _affine("neck.1", (a.out_chans,))
    return shapes | {"neck.2.weight": (a.out_chans, a.out_chans, 3, 3)} | _affine("neck.3", (a.out_chans,))


def _block_shapes(a: Architecture, index: int) -> Shapes:
    width = a.embed_dim
    table = (2 * (a.window_of(index) or a.grid) - 1, a.head_dim)
    shapes = _affine("norm1", (width,)) | {"attn.rel_pos_h": table, "attn.rel_pos_w": table}
    shapes |= _affine("attn.qkv", (3 * width, width)) | _affine("attn.proj", (width, width))
    shapes |= _affine("norm2", (width,))
    shapes |= _affine("mlp.lin1", (a.mlp_dim, width)) | _affine("mlp.lin2", (width, a.mlp_dim))
    if a.has_adapters:
        shapes |= _affine("Adapter.norm", (width,))
        shapes["Adapter.channel.0.weight"] = (a.adapter_dim, width)
        shapes["Adapter.channel.2.weight"] = (width, a.adapter_dim)
        shapes["Adapter.spatial.0.weight"] = (width, width, 3, 3)
        shapes["Adapter.spatial.2.weight"] = (width, width, 4, 4)
    return shapes


def _prompt_shapes(width: int) -> Shapes:
    shapes: Shapes = {"pe_layer.positional_encoding_gaussian_matrix": (2, width // 2)}
    shapes |= {f"point_embeddings.{index}.weight": (1, width) for index in range(4)}
    shapes |= {"not_a_point_embed.weight": (1, width)}
    shapes |= _affine("mask_downscaling.0", (4, 1, 2, 2)) | _affine("mask_downscaling.1", (4,))
    shapes |= _affine("mask_downscaling.3", (16, 4, 2, 2)) | _affine("mask_downscaling.4", (16,))
    return shapes | _affine("mask_downscaling.6", (width, 16, 1, 1)) | {"no_mask_embed.weight": (1, width)}


def _decoder_shapes(width: int) -> Shapes:
    shapes: Shapes = {}
    for index in range(DECODER_DEPTH):
        shapes |= _under(f"transformer.layers.{index}", _decoder_layer_shapes(width))
    shapes |= _attention_shapes("transformer.final_attn_token_to_image", width, width // 2)
    shapes |= _affine("transformer.norm_final_attn", (width,))
    shapes |= {"iou_token.weight": (1, width), "mask_tokens.weight": (MASK_TOKENS, width)}
    wide, narrow = width // 4, width // 8
    shapes |= _affine("output_upscaling.0", (width, wide, 2, 2), wide) | _affine("output_upscaling.1", (wide,))
    shapes |= _affine("output_upscaling.3", (wide, narrow, 2, 2), narrow)
    for index in range(MASK_TOKENS):
        shapes |= _mlp_shapes(f"output_hypernetworks_mlps.{index}", width, narrow)
    return shapes | _mlp_shapes("iou_prediction_head", width, MASK_TOKENS)


def _decoder_layer_shapes(width: int) -> Shapes:
    shapes = _attention_shapes("self_attn", width, width) | _affine("norm1", (width,))
    shapes |= _attention_shapes("cross_attn_token_to_image", width, width // 2) | _affine("norm2", (width,))
    shapes |= _affine("mlp.lin1", (DECODER_MLP, width)) | _affine("mlp.lin2", (width, DECODER_MLP))
    shapes |= _affine("norm3", (width,)) | _affine("norm4", (width,))
    return shapes | _attention_shapes("cross_attn_image_to_token", width, width // 2)


def _attention_shapes(name: str, width: int, inner: int) -> Shapes:
    shapes: Shapes = {}
    for part in "qkv":
        shapes |= _affine(f"{name}.{part}_proj", (inner, width))
    return shapes | _affine(f"{name}.out_proj", (width, inner))


def _mlp_shapes(name: str, width: int, outputs: int) -> Shapes:
    shapes: Shapes = {}
    for index, rows in enumerate((width, width, outputs)):
        shapes |= _affine(f"{name}.layers.{index}", (rows, width))
    return shapes


def _affine(name: str, weight: Shape, outputs: int | None = None) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": (outputs or weight[0],)}


def _under(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}
