"""How the tokens of a block's attention are laid out, so that padding tokens are skipped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from .attention_windows import AttentionWindow, attention_windows


@dataclass(frozen=True)
class WindowGroup:
    """Windows with equally many real rows and columns, which are computed together.

    rows, columns: real tokens of each window; the queries are these, row by row.
    keys: int64 (windows, side * side), positions in the order of `AttentionLayout.order`; the position behind the last
    token stands for padding.
    """

    rows: int
    columns: int
    keys: np.ndarray

    @property
    def windows(self) -> int:
        """How many windows."""
        return len(self.keys)

    @property
    def queries(self) -> int:
        """Queries of each window."""
        return self.rows * self.columns


@dataclass(frozen=True)
class AttentionLayout:
    """Tokens of a grid x grid image in windows of side `side`: window group by window group, row by row in each window.

    order: flat grid position of each token; grid * grid for a padding token that is computed.
    """

    grid: int
    side: int
    groups: list[WindowGroup]
    order: np.ndarray

    @property
    def tokens(self) -> int:
        """Tokens that pass through qkv and proj."""
        return self.order.size

    @property
    def has_pads(self) -> bool:
        """True where a row that stands for padding follows the tokens."""
        return any((group.keys == self.tokens).any() for group in self.groups)

    @property
    def restore(self) -> np.ndarray:
        """Token of each grid position."""
        return self.order.argsort(kind="stable")[: self.grid**2]

    @property
    def is_grid(self) -> bool:
        """True where the tokens are the grid, in its own order."""
        return bool((self.order == np.arange(self.order.size)).all())


def real_tokens(grid: int, window: int) -> AttentionLayout:
    """Only the grid x grid real tokens; all padding shares one row, since it is zero before qkv."""
    kinds: dict[tuple[int, int], list[AttentionWindow]] = defaultdict(list)
    for one in attention_windows(grid, window):
        kinds[len(one.rows), len(one.columns)].append(one)
    order = np.concatenate([w.query_index for kind in kinds.values() for w in kind])
    # The padding position, behind the last token, stays where it is.
    place = np.append(order.argsort(), order.size)
    groups = [WindowGroup(*size, place[np.stack([w.key_index for w in kind])]) for size, kind in kinds.items()]
    return AttentionLayout(grid, window or grid, groups, order)
