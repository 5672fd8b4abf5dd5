"""Starting weights: prompt encoder and decoder from SAM, the encoder from DINOv2, sam-med2d_t or at random."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from dfqsam_core.model.sam_med2d import SamMed2D

from .network import build
from .weights import Weights, fill, read_weights

Tensors = dict[str, Tensor]
# Parts of names that starting weights leave out on purpose: they begin at random, or at zero (relative positions).
COMPACT_LEAVES_OUT = ("Adapter",)
DINOV2_LEAVES_OUT = ("Adapter", "rel_pos", "image_encoder.neck.0.")


def shared_parts(source: Path) -> Tensors:
    """A file's prompt encoder, mask decoder and neck, whose first convolution has another width and stays out."""
    return {name: value for name, value in read_weights(source).tensors.items() if _is_shared(name)}


def from_compact(models: Path) -> Tensors:
    """sam-med2d_t without its adapters, which learned next to nothing: the new ones start near zero instead."""
    compact = load_file(models / "sam-med2d_t.safetensors")
    return {name: value for name, value in compact.items() if "Adapter" not in name}


def _is_shared(name: str) -> bool:
    neck = name.startswith("image_encoder.neck.") and not name.startswith("image_encoder.neck.0.")
    return neck or not name.startswith("image_encoder.")


def from_dinov2(source: Tensors, grid: int = 16, patch: int = 16) -> Tensors:
    """Rename and reshape a Hugging Face Dinov2 backbone: patch kernel and positions resampled, LayerScale folded in."""
    prefix = next(name for name in source if name.endswith("cls_token")).split("embeddings.")[0]
    own = {name.removeprefix(prefix): value.float() for name, value in source.items() if name.startswith(prefix)}
    kernel = own["embeddings.patch_embeddings.projection.weight"]
    positions = own["embeddings.position_embeddings"][0, 1:]
    side = int(len(positions) ** 0.5)
    table = positions.view(1, side, side, -1).permute(0, 3, 1, 2)
    weights = {
        "image_encoder.patch_embed.proj.weight": resample_kernel(kernel, patch),
        "image_encoder.patch_embed.proj.bias": own["embeddings.patch_embeddings.projection.bias"],
        "image_encoder.pos_embed": F.interpolate(table, (grid, grid), mode="bicubic").permute(0, 2, 3, 1),
    }
    depth = 1 + max(int(name.split(".")[2]) for name in own if name.startswith("encoder.layer."))
    for index in range(depth):
        weights |= _dinov2_block(own, f"encoder.layer.{index}.", f"image_encoder.blocks.{index}.")
    return weights


def _dinov2_block(own: Tensors, old: str, new: str) -> Tensors:
    attention = [f"{old}attention.attention.{part}" for part in ("query", "key", "value")]
    weights = {
        f"{new}attn.qkv.{kind}": torch.cat([own[f"{part}.{kind}"] for part in attention]) for kind in ("weight", "bias")
    }
    for name in ("norm1", "norm2"):
        weights |= {f"{new}{name}.{kind}": own[f"{old}{name}.{kind}"] for kind in ("weight", "bias")}
    weights |= {f"{new}mlp.lin1.{kind}": own[f"{old}mlp.fc1.{kind}"] for kind in ("weight", "bias")}
    scaled = (("layer_scale1", "attention.output.dense", "attn.proj"), ("layer_scale2", "mlp.fc2", "mlp.lin2"))
    for scale, layer, name in scaled:
        gain = own[f"{old}{scale}.lambda1"]
        weights[f"{new}{name}.weight"] = gain[:, None] * own[f"{old}{layer}.weight"]
        weights[f"{new}{name}.bias"] = gain * own[f"{old}{layer}.bias"]
    return weights


def resample_kernel(kernel: Tensor, patch: int) -> Tensor:
    """Patch kernel (out, in, p, p) for patches of another size that gives the same tokens on resized patches.

    The pseudo-inverse resize of FlexiViT (Beyer et al. 2023, section 3.2).
    """
    old = kernel.shape[-1]
    basis = torch.eye(old * old).view(old * old, 1, old, old)
    resize = F.interpolate(basis, (patch, patch), mode="bilinear", align_corners=False).flatten(1)
    return (kernel.flatten(2) @ torch.linalg.pinv(resize).T).unflatten(2, (patch, patch))


def salvage(average: Path, base: Path, decoder: Path, kind: str = "laboratory") -> tuple[Tensors, tuple[str, ...]]:
    """Starting weights from what is left of an `average` that lost files, and the names that they leave out.

    base: the start of that training, which supplies what was not trained. decoder: a complete file, whose prompt
    encoder, decoder and neck replace those of `base`.
    """
    found = read_weights(average, base).tensors
    weights = found | shared_parts(decoder)
    return weights, tuple(name for name in build(kind).state_dict() if name not in weights)


def start(kind: str, weights: Path | None, base: Path | None = None, seed: int = 0) -> tuple[SamMed2D, Weights]:
    """Build a network: a random encoder with silent adapters, then all that `weights` offers (None: nothing).

    weights, base: as `read_weights` takes them. Returns the network and what filled it.
    Raises CheckpointError when the weights are not complete.
    """
    torch.manual_seed(seed)
    model = build(kind)
    _random_encoder(model)
    if weights is None:
        return model, Weights({})
    found = read_weights(weights, base)
    fill(model, found, weights)
    return model, found


def _random_encoder(model: SamMed2D) -> None:
    """Truncated normal for linears, sinusoids for positions, adapters that start close to nothing."""
    encoder = model.image_encoder
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=(2 / sum(module.weight.shape)) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if name.endswith("Adapter.norm"):
            nn.init.constant_(module.weight, 0.05)
        if name.endswith("Adapter.spatial.2"):
            nn.init.normal_(module.weight, std=0.01)
    encoder.pos_embed.data[0] = 0.3 * _sinusoids(encoder.pos_embed.shape[1], encoder.pos_embed.shape[-1])


def _sinusoids(grid: int, dim: int) -> Tensor:
    rate = 100.0 ** -(torch.arange(dim // 4) / (dim // 4))
    phase = torch.arange(grid)[:, None] * rate
    line = torch.cat([phase.sin(), phase.cos()], 1)
    rows, columns = line[:, None].expand(grid, grid, -1), line[None].expand(grid, grid, -1)
    return torch.cat([rows, columns], -1)
