"""SAM-Med2D's image encoder: a ViT with an adapter beside each MLP, any width and depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..network.architecture import Architecture
from .attention import Attention
from .sam_modeling import sam_modeling

BLOCK_NORM_EPS = 1e-6
ADAPTER_NORM_EPS = 1e-5


class Adapter(nn.Module):
    """Channel gate and strided spatial path of SAM-Med2D (section 3.2), in parallel to the MLP."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=ADAPTER_NORM_EPS)
        self.channel = nn.Sequential(
            nn.Linear(dim, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, dim, bias=False), nn.Sigmoid()
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(dim, dim, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(dim, dim, 4, stride=2, padding=1, bias=False),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, grid, grid, dim) float. Returns the same shape."""
        gate = self.channel(x.mean(dim=(1, 2)))[:, None, None, :]
        detail = self.spatial((x * gate).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.norm(x + detail)


class Block(nn.Module):
    """Transformer block: attention, then MLP and adapter side by side on the same normalised input."""

    def __init__(self, architecture: Architecture, index: int) -> None:
        super().__init__()
        dim = architecture.embed_dim
        window = 0 if index in architecture.global_attn_indexes else architecture.window_size
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_NORM_EPS)
        self.attn = Attention(dim, architecture.num_heads, architecture.grid, window)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_NORM_EPS)
        self.mlp = sam_modeling().common.MLPBlock(dim, architecture.mlp_dim)
        if architecture.adapter_dim:
            self.Adapter = Adapter(dim, architecture.adapter_dim)  # the checkpoint's spelling

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, grid, grid, dim) float. Returns the same shape."""
        x = x + self.attn(self.norm1(x))
        normed = self.norm2(x)
        out = x + self.mlp(normed)
        return out + self.Adapter(normed) if hasattr(self, "Adapter") else out


class PatchEmbed(nn.Module):
    """Image patches to tokens."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, S, S) float. Returns (B, S / patch, S / patch, dim)."""
        return self.proj(x).permute(0, 2, 3, 1)


class ImageEncoder(nn.Module):
    """Normalised pixels to the image embedding."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        dim, out, grid = architecture.embed_dim, architecture.out_chans, architecture.grid
        layer_norm_2d = sam_modeling().common.LayerNorm2d
        self.patch_embed = PatchEmbed(architecture.patch_size, dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, dim))
        self.blocks = nn.ModuleList(Block(architecture, index) for index in range(architecture.depth))
        self.neck = nn.Sequential(
            nn.Conv2d(dim, out, 1, bias=False),
            layer_norm_2d(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            layer_norm_2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, S, S) float, normalised by `SamMed2D.normalize`. Returns (B, out_chans, grid, grid)."""
        x = self.patch_embed(x) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))
