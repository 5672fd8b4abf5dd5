"""MobileSAM's image encoder: TinyViT (Wu et al. 2022, arXiv 2207.10666) at 1024 pixels, for inference.

Sizes and the missing stride before the last stage are those of MobileSAM (Zhang et al. 2023, arXiv 2306.14289). Batch
normalisation is folded into the convolutions when weights are loaded.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-5


@dataclass(frozen=True)
class TinyViTSizes:
    """Width, depth, heads and window of each stage; strides of what leads from one to the next. grid: output tokens."""

    widths: Sequence[int] = (64, 128, 160, 320)
    depths: Sequence[int] = (2, 2, 6, 2)
    heads: Sequence[int] = (2, 4, 5, 10)
    windows: Sequence[int] = (7, 7, 14, 7)
    strides: Sequence[int] = (2, 2, 1)
    image_size: int = 1024


class ConvNorm(nn.Module):
    """A convolution that has its batch normalisation folded in."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inside, out, kernel, stride, kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in, H, W)."""
        return self.c(x)


class Bottleneck(nn.Module):
    """1 x 1, depthwise 3 x 3, 1 x 1, with GELU between; with a skip connection where it keeps the size."""

    def __init__(self, inside: int, hidden: int, out: int, stride: int, has_skip: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inside, hidden, 1)
        self.conv2 = ConvNorm(hidden, hidden, 3, stride, hidden)
        self.conv3 = ConvNorm(hidden, out, 1)
        self.has_skip = has_skip

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in, H, W)."""
        out = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return F.gelu(x + out) if self.has_skip else out


class Attention(nn.Module):
    """Attention inside square windows, with one learned bias per head and offset."""

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.num_heads, self.window = num_heads, window
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.query, self.key, self.value = nn.Identity(), nn.Identity(), nn.Identity()
        self.softmax: nn.Module = nn.Softmax(dim=-1)
        offsets, index = _offset_index(window)
        self.attention_biases = nn.Parameter(torch.zeros(num_heads, offsets))
        self.register_buffer("bias_index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (windows, side, side, dim). Returns the same shape."""
        shape, head_dim = x.shape, x.shape[-1] // self.num_heads
        qkv = self.qkv(self.norm(x).flatten(1, 2)).unflatten(-1, (self.num_heads, 3, head_dim)).transpose(1, 2)
        q, k, v = self.query(qkv[..., 0, :] * head_dim**-0.5), self.key(qkv[..., 1, :]), self.value(qkv[..., 2, :])
        logits = q @ k.transpose(-1, -2) + self.attention_biases[:, self.get_buffer("bias_index")]
        return self.proj((self.softmax(logits) @ v).transpose(1, 2).reshape(shape))


class Mlp(nn.Module):
    """LayerNorm and two linear layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., dim)."""
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class Block(nn.Module):
    """Windowed attention, a depthwise convolution, an MLP."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn, self.mlp = Attention(dim, heads, window), Mlp(dim)
        self.local_conv = ConvNorm(dim, dim, 3, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, dim, H, W)."""
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + _in_windows(self.attn, tokens, self.attn.window)
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """The blocks of one width, and what leads to the next."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        if downsample is not None:
            self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, dim, H, W)."""
        for block in self.blocks:
            x = block(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class TinyViT(nn.Module):
    """Normalised pixels (B, 3, S, S) to the embedding (B, 256, S / 16, S / 16); names as in MobileSAM's checkpoint."""

    def __init__(self, sizes: TinyViTSizes, norm: type[nn.Module]) -> None:
        """norm: segment-anything's LayerNorm2d."""
        super().__init__()
        widths = sizes.widths
        self.patch_embed = nn.Module()
        self.patch_embed.seq = nn.Sequential(
            ConvNorm(3, widths[0] // 2, 3, 2), nn.GELU(), ConvNorm(widths[0] // 2, widths[0], 3, 2)
        )
        self.layers = nn.ModuleList(_stage(sizes, number) for number in range(len(widths)))
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], 256, 1, bias=False),
            norm(256),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            norm(256),
        )

    @property
    def blocks(self) -> list[Block]:
        """Every block with attention, for those who listen to them."""
        return [module for module in self.modules() if isinstance(module, Block)]

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, S, S) float, normalised."""
        x = self.patch_embed.seq(x)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x)


def _stage(sizes: TinyViTSizes, number: int) -> Stage:
    dim = sizes.widths[number]
    if number == 0:
        blocks: list[nn.Module] = [Bottleneck(dim, 4 * dim, dim, 1, True) for _ in range(sizes.depths[0])]
    else:
        blocks = [Block(dim, sizes.heads[number], sizes.windows[number]) for _ in range(sizes.depths[number])]
    if number + 1 == len(sizes.widths):
        return Stage(blocks, None)
    wider = sizes.widths[number + 1]
    return Stage(blocks, Bottleneck(dim, wider, wider, sizes.strides[number], False))


def _in_windows(attention: Attention, tokens: Tensor, side: int) -> Tensor:
    """Attention on (B, H, W, C) cut into windows; the last ones are filled up with zeros, as TinyViT does."""
    batch, height, width, dim = tokens.shape
    padded = F.pad(tokens, (0, 0, 0, -width % side, 0, -height % side))
    rows, columns = padded.shape[1] // side, padded.shape[2] // side
    windows = padded.view(batch, rows, side, columns, side, dim).transpose(2, 3).reshape(-1, side, side, dim)
    out = attention(windows).view(batch, rows, columns, side, side, dim).transpose(2, 3)
    return out.reshape(batch, rows * side, columns * side, dim)[:, :height, :width]


def _offset_index(side: int) -> tuple[int, Tensor]:
    """Number of different offsets, and for each pair of tokens the number of theirs, in order of appearance."""
    points = list(itertools.product(range(side), range(side)))
    numbers: dict[tuple[int, int], int] = {}
    pairs = [(abs(a[0] - b[0]), abs(a[1] - b[1])) for a in points for b in points]
    index = [numbers.setdefault(pair, len(numbers)) for pair in pairs]
    return len(numbers), torch.tensor(index).view(len(points), len(points))


def folded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's tensors with every batch normalisation `X.bn` folded into the convolution `X.c`."""
    result = {name: tensor for name, tensor in tensors.items() if ".bn." not in name}
    for name in [name.removesuffix(".c.weight") for name in tensors if name.endswith(".c.weight")]:
        weight, bias, mean, variance = (
            tensors[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = weight / (variance + BATCH_NORM_EPS).sqrt()
        result[f"{name}.c.weight"] = tensors[f"{name}.c.weight"] * factor[:, None, None, None]
        result[f"{name}.c.bias"] = bias - mean * factor
    return result
