from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.network.attention_layout import real_tokens

grids, windows = st.integers(1, 9), st.integers(0, 5)


def test_a_window_beyond_the_rim_has_padding_keys() -> None:
    layout = real_tokens(grid=4, window=3)
    assert [(group.rows, group.columns, group.keys.shape) for group in layout.groups] == [
        (3, 3, (1, 9)),
        (3, 1, (1, 9)),
        (1, 3, (1, 9)),
        (1, 1, (1, 9)),
    ]
    assert layout.order.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 3, 7, 11, 12, 13, 14, 15]
    assert layout.groups[1].keys.tolist() == [[9, 16, 16, 10, 16, 16, 11, 16, 16]]
    assert layout.groups[3].keys.tolist() == [[15, 16, 16, 16, 16, 16, 16, 16, 16]]


def test_windows_of_one_kind_are_computed_together() -> None:
    layout = real_tokens(grid=6, window=3)
    assert [(group.windows, group.queries) for group in layout.groups] == [(4, 9)]
    assert not layout.has_pads


def test_global_attention_needs_no_reordering() -> None:
    layout = real_tokens(grid=4, window=0)
    assert (layout.is_grid, layout.has_pads, layout.side) == (True, False, 4)


@given(grids, windows)
def test_each_real_token_asks_once_and_is_put_back(grid, window) -> None:
    layout = real_tokens(grid, window)
    assert sum(group.windows * group.queries for group in layout.groups) == layout.tokens == grid * grid
    np.testing.assert_array_equal(layout.order[layout.restore], np.arange(grid * grid))


@given(grids, windows)
def test_queries_see_every_real_token_of_their_window(grid, window) -> None:
    layout, start = real_tokens(grid, window), 0
    for group in layout.groups:
        for keys in group.keys:
            assert set(range(start, start + group.queries)) == set(keys) - {layout.tokens}
            assert len(keys) == layout.side**2
            start += group.queries
