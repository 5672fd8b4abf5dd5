"""Where the tokens of windowed attention come from, once the padding tokens are left out.

The windows are those of SAM's image encoder, which SAM-Med2D shares and which follow ViTDet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Logits that a head computes at once: those of a window of 32 x 32 tokens. The 64 x 64 tokens of a 1024-pixel image
# have sixteen times as many, which are 805 MB in ViT-B.
_MOST_LOGITS = 2**20
# Fewer would make a graph of very many parts.
_LEAST_QUERIES = 256


@dataclass(frozen=True)
class AttentionWindow:
    """One attention window on a token grid whose padding tokens share a single constant row.

    side: window side in tokens; keys number side * side.
    rows, columns: local coordinates of the real queries, ranges starting at 0.
    query_index: (len(rows) * len(columns),) flat grid index of each real query, row-major.
    key_index: (side * side,) flat grid index of each key; grid * grid stands for the constant padding row.
    """

    side: int
    rows: range
    columns: range
    query_index: np.ndarray
    key_index: np.ndarray


def attention_windows(grid: int, window: int) -> list[AttentionWindow]:
    """Windows of side `window` that cover a grid x grid token image from the top left; window 0 is global attention."""
    side = window or grid
    starts = range(0, grid, side)
    return [_window(grid, side, top, left) for top in starts for left in starts]


def _window(grid: int, side: int, top: int, left: int) -> AttentionWindow:
    y, x = np.meshgrid(np.arange(top, top + side), np.arange(left, left + side), indexing="ij")
    real = (y < grid) & (x < grid)
    flat = np.where(real, y * grid + x, grid * grid)
    return AttentionWindow(
        side, range(min(side, grid - top)), range(min(side, grid - left)), flat[real].ravel(), flat.ravel()
    )


def relative_offsets(side: int) -> np.ndarray:
    """Index (side, side) into a relative-position table of 2 * side - 1 rows: entry [q, k] is q - k + side - 1."""
    line = np.arange(side)
    return line[:, None] - line[None, :] + side - 1


def query_chunks(queries: int, keys: int) -> list[slice]:
    """A window's queries in parts that are computed one after the other; few of them are a single part."""
    count = max(_LEAST_QUERIES, _MOST_LOGITS // keys)
    return [slice(start, min(start + count, queries)) for start in range(0, queries, count)]


def is_long(side: int) -> bool:
    """Return whether attention within a window of `side` x `side` tokens is computed in parts."""
    return len(query_chunks(side**2, side**2)) > 1
