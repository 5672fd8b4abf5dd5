"""The network's attention as one fused call a block, for training: equal to `Attention.forward`, without any gather.

Decomposed relative positions and the limits of a window become extra channels of queries and keys: a key carries a one
in the channel of its row and of its column, a query its bias towards each row and column (and a large negative number
for those of another window). All padding tokens of a window have one and the same key and value; together they are one
more key, whose bias is the logarithm of the sum of their exponentials.
"""

from __future__ import annotations

import functools
import types

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dfqsam_core.model.attention import Attention
from dfqsam_core.model.sam_med2d import SamMed2D

FAR = -3e4
# Fused kernels want rows of queries and keys in multiples of so many values.
CHANNELS = 8


def fuse_attention(model: SamMed2D) -> None:
    """Let every block of the encoder answer through one fused call; parameters and their names stay."""
    grid = model.architecture.grid
    for module in model.image_encoder.modules():
        if isinstance(module, Attention):
            offsets, within = _lines(grid, module.rel_pos_h.shape[0] // 2 + 1)
            constants = {"offsets": offsets, "within": within, "keys": _keys(grid, module.has_pads)}
            for name, value in constants.items():
                on_device = torch.from_numpy(value).to(module.rel_pos_h.device)
                module.register_buffer(f"fused_{name}", on_device, persistent=False)
            module.forward = types.MethodType(_forward, module)  # type: ignore[method-assign]


@functools.cache
def _lines(grid: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """What each line of tokens sees of each padded line, in windows of `side`.

    Returns one-hot relative offsets (grid, padded, 2 side - 1) and whether the two share a window (grid, padded).
    """
    padded = -(-grid // side) * side
    query, key = np.arange(grid)[:, None], np.arange(padded)[None]
    within = query // side == key // side
    offset = np.clip(query - key + side - 1, 0, 2 * side - 2)
    return np.eye(2 * side - 1, dtype=np.float32)[offset] * within[..., None], within


@functools.cache
def _keys(grid: int, pads: bool) -> np.ndarray:
    """Constant channels of the keys (grid * grid [+ 1], 2 grid [+ 1]), their number rounded up."""
    rows, columns = np.divmod(np.arange(grid * grid), grid)
    eye = np.eye(grid, dtype=np.float32)
    keys = np.concatenate([eye[rows], eye[columns]], 1)
    if pads:
        keys = np.pad(keys, ((0, 1), (0, 1)))
        keys[-1, -1] = 1
    return np.pad(keys, ((0, 0), (0, -keys.shape[1] % CHANNELS)))


def _forward(self: Attention, x: Tensor) -> Tensor:
    batch, height, width, _ = x.shape
    heads, head = self.num_heads, self.head_dim
    qkv = self.qkv(x.flatten(1, 2)).unflatten(-1, (3, heads, head)).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    biases = _biases(self, q.unflatten(2, (height, width)))
    if self.has_pads:
        pad_k, pad_v = self.qkv.bias.to(k.dtype).view(3, 1, heads, 1, head)[1:].unbind(0)
        k = torch.cat([k, pad_k.expand(batch, -1, -1, -1)], 2)
        v = torch.cat([v, pad_v.expand(batch, -1, -1, -1)], 2)
    extra = self.get_buffer("fused_keys").to(k.dtype)
    spare = extra.shape[1] - sum(part.shape[-1] for part in biases)
    queries = F.pad(torch.cat([q * head**-0.5, *biases], -1), (0, spare))
    keys = torch.cat([k, extra.expand(batch, heads, -1, -1)], -1)
    out = F.scaled_dot_product_attention(queries, keys, F.pad(v, (0, extra.shape[1])), scale=1.0)[..., :head]
    return self.proj(out.transpose(1, 2).flatten(2).unflatten(1, (height, width)))


def _biases(self: Attention, lines: Tensor) -> list[Tensor]:
    """What queries (B, heads, height, width, head) add for each row, each column and, last, all pads of the window."""
    height, width = lines.shape[2:4]
    offsets, within = self.get_buffer("fused_offsets"), self.get_buffer("fused_within")
    towards = [(offsets @ table).to(lines.dtype) for table in (self.rel_pos_h, self.rel_pos_w)]
    along_h = torch.einsum("bnhwc,hkc->bnhwk", lines, towards[0]).flatten(2, 3)
    along_w = torch.einsum("bnhwc,wkc->bnhwk", lines, towards[1]).flatten(2, 3)
    near_h = within[:, None].expand(-1, width, -1).flatten(0, 1)
    near_w = within[None].expand(height, -1, -1).flatten(0, 1)
    biases = [torch.where(near_h, along_h, FAR)[..., :height], torch.where(near_w, along_w, FAR)[..., :width]]
    if self.has_pads:
        mass_h, mass_w = (along.float().exp() * near for along, near in ((along_h, near_h), (along_w, near_w)))
        biases.append(_pads_bias(mass_h, mass_w, height, width)[..., None].to(lines.dtype))
    return biases


def _pads_bias(mass_h: Tensor, mass_w: Tensor, height: int, width: int) -> Tensor:
    """Logarithm of the summed exponential biases of the pads in a query's window, (B, heads, tokens)."""
    real_h, real_w = mass_h[..., :height].sum(-1), mass_w[..., :width].sum(-1)
    pad_h, pad_w = mass_h[..., height:].sum(-1), mass_w[..., width:].sum(-1)
    mass = pad_h * (real_w + pad_w) + real_h * pad_w
    return torch.where(mass > 0, mass.clamp(min=1e-30).log(), FAR)
