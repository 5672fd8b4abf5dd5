"""Overlap on masks small enough to count by hand."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from dfqsam_core.evaluate.ellipse import inscribed_ellipse
from dfqsam_core.evaluate.metrics import dice, iou, mean_interval, points

MASKS = arrays(bool, (4, 5))


def test_dice_and_iou_of_two_overlapping_squares() -> None:
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2, :2] = True
    b[1:3, 1:3] = True
    assert dice(a, b) == 2 * 1 / 8
    assert iou(a, b) == 1 / 7


def test_two_empty_masks_agree_and_an_empty_one_agrees_with_nothing_else() -> None:
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert (dice(empty, empty), iou(empty, empty)) == (1.0, 1.0)
    assert (dice(empty, full), iou(empty, full)) == (0.0, 0.0)


def test_labels_count_like_booleans() -> None:
    assert dice(np.array([0, 7, 7]), np.array([False, True, True])) == 1.0


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        dice(np.zeros((2, 2)), np.zeros((2, 3)))


@given(MASKS, MASKS)
def test_dice_is_symmetric_and_follows_from_iou(a: np.ndarray, b: np.ndarray) -> None:
    assert dice(a, b) == dice(b, a)
    assert dice(a, b) == pytest.approx(2 * iou(a, b) / (1 + iou(a, b)))


def test_interval_holds_the_mean_and_narrows_with_more_values() -> None:
    rng = np.random.default_rng(0)
    few, many = (mean_interval(rng.normal(0.5, 0.1, n)) for n in (10, 1000))
    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 3
    assert mean_interval(np.ones(5)) == mean_interval(np.ones(5))


def test_one_value_has_no_interval() -> None:
    found = mean_interval(np.array([0.25]))
    assert found.mean == 0.25
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert points(asdict(found)) == "+25.00"


def test_an_interval_is_told_in_points() -> None:
    assert points({"mean": 0.0052, "low": -0.001, "high": 0.0114}) == "+0.52 [-0.10, +1.14]"


def test_ellipse_of_a_small_box_pixel_by_pixel() -> None:
    expected = ["......", ".####.", "######", "######", ".####.", "......"]
    found = inscribed_ellipse(np.array([0, 1, 6, 5]), (6, 6))
    assert ["".join(".#"[pixel] for pixel in row) for row in found.astype(int)] == expected


def test_ellipse_of_one_pixel_is_that_pixel() -> None:
    found = inscribed_ellipse(np.array([2, 1, 3, 2]), (4, 4))
    assert np.argwhere(found).tolist() == [[1, 2]]


def test_ellipse_fills_about_pi_quarters_of_its_box() -> None:
    found = inscribed_ellipse(np.array([10, 20, 110, 180]), (200, 200))
    assert found.sum() / (100 * 160) == pytest.approx(math.pi / 4, abs=0.01)
    assert not found[:, :10].any()
    assert not found[180:].any()
