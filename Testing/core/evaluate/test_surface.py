"""Outlines of squares whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from dfqsam_core.evaluate.surface import surface_dice


def square(left: int, side: int = 10, size: int = 24) -> np.ndarray:
    """A square of `side` pixels, seven rows down."""
    mask = np.zeros((size, size), bool)
    mask[7 : 7 + side, left : left + side] = True
    return mask


def test_a_mask_agrees_with_itself() -> None:
    assert surface_dice(square(5), square(5), 0.5) == 1


def test_sides_that_moved_too_far_do_not_count() -> None:
    moved = surface_dice(square(5), square(8), 2.0)
    assert surface_dice(square(5), square(8), 3.0) == 1
    # The upper and lower sides overlap, the left and right ones lie three pixels apart.
    assert moved == pytest.approx(0.6, abs=0.06)


def test_the_tolerance_is_in_mm_where_there_is_a_spacing() -> None:
    assert surface_dice(square(5), square(8), 2.0, (1.0, 0.5)) == 1
    apart = surface_dice(square(5), square(8), 2.0, (1.0, 2.0))
    assert apart < 0.8


def test_the_side_at_the_image_border_counts() -> None:
    whole = np.ones((8, 8), bool)
    assert surface_dice(whole, whole, 1.0) == 1
    assert surface_dice(whole, np.pad(np.ones((4, 4), bool), ((0, 4), (0, 4))), 1.0) < 0.7


@pytest.mark.parametrize(("a", "b", "expected"), [(5, None, 0), (None, 5, 0), (None, None, 1)])
def test_empty_masks(a: int | None, b: int | None, expected: float) -> None:
    masks = [np.zeros((24, 24), bool) if left is None else square(left) for left in (a, b)]
    assert surface_dice(*masks, 2.0) == expected
