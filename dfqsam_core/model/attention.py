"""Attention with decomposed relative positions that never computes padding tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..network.attention_windows import AttentionWindow, attention_windows, query_chunks, relative_offsets


class Attention(nn.Module):
    """Multi-head attention on a square token grid, in windows or global (Segment Anything, appendix A; ViTDet).

    Padding tokens enter windowed attention as exact zeros, so their keys and values are the bias of `qkv`: one
    constant row serves all of them, and their queries are never asked for. The result equals the padded form.
    The queries of large windows are computed in parts and image by image, which takes little memory.

    query, key, value, softmax: parameter-free places where quantizers can stand.
    """

    def __init__(self, dim: int, num_heads: int, grid: int, window: int) -> None:
        """dim: embedding width; grid: tokens per side; window: window side in tokens, 0 for global attention."""
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.windows = attention_windows(grid, window)
        side = self.windows[0].side
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, self.head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, self.head_dim))
        self.query, self.key, self.value = nn.Identity(), nn.Identity(), nn.Identity()
        self.softmax: nn.Module = nn.Softmax(dim=-1)
        self._register_indices(grid)

    def _register_indices(self, grid: int) -> None:
        order = torch.cat([torch.from_numpy(w.query_index) for w in self.windows])
        self.has_pads = any((w.key_index == grid * grid).any() for w in self.windows)
        self.register_buffer("restore", order.argsort(), persistent=False)
        self.register_buffer("offsets", torch.from_numpy(relative_offsets(self.windows[0].side)), persistent=False)
        for number, window in enumerate(self.windows):
            self.register_buffer(f"query_index_{number}", torch.from_numpy(window.query_index), persistent=False)
            self.register_buffer(f"key_index_{number}", torch.from_numpy(window.key_index), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, grid, grid, dim) float. Returns the same shape."""
        batch, height, width, dim = x.shape
        qkv = self.qkv(x.flatten(1, 2)).unflatten(-1, (3, self.num_heads, self.head_dim)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        scaled, k, v = self.query(q * self.head_dim**-0.5), self.key(k), self.value(v)
        if self.has_pads:
            pad_k, pad_v = self.qkv.bias.view(3, 1, self.num_heads, 1, self.head_dim)[1:].unbind(0)
            k = torch.cat([k, self.key(pad_k).expand(batch, -1, -1, -1)], dim=2)
            v = torch.cat([v, self.value(pad_v).expand(batch, -1, -1, -1)], dim=2)
        parts = [self._attend(number, window, q, scaled, k, v) for number, window in enumerate(self.windows)]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)[:, :, self.get_buffer("restore")]
        return self.proj(out.transpose(1, 2).reshape(batch, height, width, dim))

    def _attend(self, number: int, window: AttentionWindow, q: Tensor, scaled: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if len(self.windows) > 1 or self.has_pads:
            queries, keys = self.get_buffer(f"query_index_{number}"), self.get_buffer(f"key_index_{number}")
            q, scaled, k, v = q[:, :, queries], scaled[:, :, queries], k[:, :, keys], v[:, :, keys]
        operands = (scaled, *self._relative_logits(window, q), k, v)
        chunks = query_chunks(q.shape[2], k.shape[2])
        if len(chunks) == 1:
            return self._weighted(*operands)
        images = zip(*(x.split(1) for x in operands), strict=True)
        return torch.cat([self._in_chunks(chunks, *image) for image in images])

    def _in_chunks(
        self, chunks: list[slice], scaled: Tensor, along_h: Tensor, along_w: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        def part(of: slice) -> Tensor:
            return self._weighted(scaled[:, :, of], along_h[:, :, of], along_w[:, :, of], k, v)

        return torch.cat([part(chunk) for chunk in chunks], dim=2)

    def _weighted(self, scaled: Tensor, along_h: Tensor, along_w: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Values weighted by the softmax of the logits of scaled queries."""
        logits = scaled @ k.transpose(-1, -2) + (along_h[..., :, None] + along_w[..., None, :]).flatten(3)
        return self.softmax(logits) @ v

    def _relative_logits(self, window: AttentionWindow, q: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, heads, queries, side) of unscaled queries for the rows and for the columns of their window."""
        rows, columns = len(window.rows), len(window.columns)
        offsets = self.get_buffer("offsets")
        grid = q.unflatten(2, (rows, columns))
        along_h = torch.einsum("bnhwc,hkc->bnhwk", grid, self.rel_pos_h[offsets[:rows]])
        along_w = torch.einsum("bnhwc,wkc->bnhwk", grid, self.rel_pos_w[offsets[:columns]])
        return along_h.flatten(2, 3), along_w.flatten(2, 3)
