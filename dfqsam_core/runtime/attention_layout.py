"""How the tokens of a block's attention are laid out: with padding tokens skipped, or computed as published."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ..windows import AttentionWindow, attention_windows


@dataclass(frozen=True)
class WindowGroup:
    """Windows with equally many real tokens, which are computed together.

    queries: int64 (windows, queries per window), flat token positions.
    keys: int64 (windows, side * side); the position behind the last token stands for padding.
    """

    queries: np.ndarray
    keys: np.ndarray


@dataclass(frozen=True)
class AttentionLayout:
    """Tokens on a height x width image whose windows of side `side` start at multiples of it.

    unfold: flat grid position of each token before the layer qkv, grid * grid for a zero token; None where the tokens
    are the grid itself. fold: token of each grid position behind the layer proj; None likewise.
    """

    height: int
    width: int
    side: int
    groups: list[WindowGroup]
    unfold: np.ndarray | None = None
    fold: np.ndarray | None = None

    @property
    def tokens(self) -> int:
        """Tokens that pass through qkv and proj."""
        return self.height * self.width

    @property
    def has_pads(self) -> bool:
        """Whether a row that stands for padding follows the tokens."""
        return any((group.keys == self.tokens).any() for group in self.groups)

    @property
    def restore(self) -> np.ndarray | None:
        """Index that puts the queries of all groups, one behind the other, into token order; None where they are."""
        order = np.concatenate([group.queries.ravel() for group in self.groups])
        return None if (order == np.arange(order.size)).all() else order.argsort()


def real_tokens(grid: int, window: int) -> AttentionLayout:
    """Only the grid x grid real tokens; all padding shares one row, since it is zero before qkv."""
    kinds: dict[tuple[int, int], list[AttentionWindow]] = defaultdict(list)
    for one in attention_windows(grid, window):
        kinds[len(one.rows), len(one.columns)].append(one)
    groups = [
        WindowGroup(np.stack([w.query_index for w in kind]), np.stack([w.key_index for w in kind]))
        for kind in kinds.values()
    ]
    return AttentionLayout(grid, grid, window or grid, groups)


def padded_tokens(grid: int, window: int) -> AttentionLayout:
    """Every window filled up with zero tokens, as published: windows lie one below the other, padding is computed."""
    windows = attention_windows(grid, window)
    side = windows[0].side
    unfold = np.concatenate([w.key_index for w in windows])
    everything = np.arange(unfold.size).reshape(len(windows), -1)
    group = WindowGroup(everything, everything)
    fold = unfold.argsort(kind="stable")[: grid**2]
    return AttentionLayout(len(windows) * side, side, side, [group], unfold, fold)
