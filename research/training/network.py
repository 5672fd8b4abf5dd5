"""The two networks, and their decoder for many prompts at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfqsam_core.model.sam_med2d import SamMed2D
from dfqsam_core.network.architecture import Architecture


def architecture(kind: str) -> Architecture:
    """ "demonstration": 192 wide, 12 deep. "laboratory": 384 wide, 12 deep, as DINOv2 ViT-S. "tiny": for tests."""
    width, depth, heads, window, everywhere = {
        "demonstration": (192, 12, 3, 14, (2, 5, 8, 11)),
        "laboratory": (384, 12, 6, 14, (2, 5, 8, 11)),
        "tiny": (32, 2, 2, 14, (1,)),
    }[kind]
    return Architecture(
        image_size=256, patch_size=16, embed_dim=width, depth=depth, num_heads=heads, mlp_dim=4 * width,
        window_size=window, global_attn_indexes=everywhere, out_chans=256, adapter_dim=width // 4,
    )  # fmt: skip


def build(kind: str) -> SamMed2D:
    """The float32 network of `architecture(kind)`."""
    return SamMed2D(architecture(kind))


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 products on a GPU, plain float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def embed(model: SamMed2D, pixels: Tensor) -> Tensor:
    """Image embeddings (B, 256, 16, 16) of gray pixels (B, 256, 256), 0..255."""
    return model.image_encoder(model.normalize(pixels[:, None].expand(-1, 3, -1, -1)))


def decode(
    model: SamMed2D, embedding: Tensor, points: Tensor, labels: Tensor, mask_probabilities: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Masks of prompts that belong to different images.

    embedding: (N, 256, 16, 16), one per prompt. points: (N, T, 2) as x, y; box corners are points too. labels: (N, T),
    -1 none, 0 negative, 1 positive, 2 and 3 box corners. mask_probabilities: (N, 1, 64, 64) or None.
    Returns float32 logits (N, 3, 64, 64) and predicted IoU (N, 3), as `SamMed2D.decode` does for one image.
    """
    prompts, decoder = model.prompt_encoder, model.mask_decoder
    count = len(points)
    kinds = torch.cat([prompts.not_a_point_embed.weight, *(part.weight for part in prompts.point_embeddings)])
    places = prompts.pe_layer.forward_with_coords(points + 0.5, prompts.input_image_size)
    sparse = places * (labels >= 0)[..., None] + F.one_hot(labels + 1, len(kinds)).to(kinds.dtype) @ kinds
    outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([outputs.expand(count, -1, -1).to(sparse.dtype), sparse], 1)
    if mask_probabilities is None:
        source = embedding + prompts.no_mask_embed.weight.view(1, -1, 1, 1)
    else:
        source = embedding + prompts.mask_downscaling(mask_probabilities)
    answer, source_out = decoder.transformer(source, prompts.get_dense_pe().expand(count, -1, -1, -1), tokens)
    grid = embedding.shape[-2:]
    upscaled = decoder.output_upscaling(source_out.transpose(1, 2).unflatten(2, grid))
    heads = [decoder.output_hypernetworks_mlps[number](answer[:, 1 + number]) for number in (1, 2, 3)]
    quality = decoder.iou_prediction_head(answer[:, 0])[:, 1:]
    logits = torch.stack(heads, 1) @ upscaled.flatten(2)
    return logits.float().unflatten(2, upscaled.shape[-2:]), quality.float()


def trainable(model: nn.Module, kind: str, frozen_blocks: int = 0) -> dict[str, nn.Parameter]:
    """Parameters that are trained: all, or for the laboratory model all but DINOv2's, as SAM-Med2D freezes SAM's.

    frozen_blocks: leave everything before and in the first so many blocks as it is; no gradient passes there.
    """
    kept: tuple[str, ...] = ("image_encoder.patch_embed.", "image_encoder.pos_embed") if frozen_blocks else ()
    kept += tuple(f"image_encoder.blocks.{number}." for number in range(frozen_blocks))
    named = {name: parameter for name, parameter in model.named_parameters() if not name.startswith(kept)}
    if kind != "laboratory":
        return named
    added = ("Adapter", "neck", "rel_pos")
    return {n: p for n, p in named.items() if not n.startswith("image_encoder.") or any(part in n for part in added)}
