"""Corrections of a whole mask, compared with SimpleITK's filters."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.volume import mask_edits


@pytest.fixture
def mask() -> np.ndarray:
    """Blobs of many sizes, some hollow."""
    noise = np.random.default_rng(5).normal(size=(24, 30, 28))
    blurred = sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(noise), 4.0))
    return np.asarray(np.abs(blurred) > 1.2 * blurred.std(), bool)


def sizes_of(mask: np.ndarray) -> np.ndarray:
    """Voxels of each part, the largest first, by SimpleITK."""
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8))))
    return np.sort(np.bincount(labels.ravel())[1:])[::-1]


def test_the_largest_part_stays_alone(mask: np.ndarray) -> None:
    assert len(sizes_of(mask)) > 3
    found = mask_edits.largest_part(mask)
    assert sizes_of(found).tolist() == [sizes_of(mask)[0]]
    assert not (found & ~mask).any()


def test_of_nothing_nothing_is_left(mask: np.ndarray) -> None:
    nothing = np.zeros_like(mask)
    for found in (mask_edits.largest_part(nothing), mask_edits.without_small_parts(nothing, 3)):
        np.testing.assert_array_equal(found, nothing)


def test_parts_below_a_size_go_and_those_of_it_stay(mask: np.ndarray) -> None:
    sizes = sizes_of(mask)
    least = int(sizes[2])
    np.testing.assert_array_equal(sizes_of(mask_edits.without_small_parts(mask, least)), sizes[sizes >= least])


def test_parts_that_touch_at_a_corner_are_two() -> None:
    mask = np.array([[1, 1, 0], [0, 0, 1]], bool)
    np.testing.assert_array_equal(mask_edits.largest_part(mask), [[1, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("part", [np.s_[:], np.s_[12]])
def test_holes_are_filled_as_itk_fills_them(mask: np.ndarray, part: object) -> None:
    holed = np.zeros_like(mask)
    holed[3:21, 4:26, 4:24] = True
    given = (holed & ~(mask & (np.random.default_rng(1).random(mask.shape) < 0.2)))[part]
    expected = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(given.astype(np.uint8)))) > 0
    assert (expected & ~given).any()
    np.testing.assert_array_equal(mask_edits.filled(given), expected)


def test_a_median_is_itks(mask: np.ndarray) -> None:
    expected = sitk.Median(sitk.GetImageFromArray(mask.astype(np.uint8)), (2, 1, 1))
    found = mask_edits.median_smoothed(mask, (3, 3, 5))
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(expected) > 0)
    assert (found != mask).any()


def test_a_gaussian_is_itks_but_for_rounding(mask: np.ndarray) -> None:
    image = sitk.GetImageFromArray(mask.astype(np.float32))
    blurred = sitk.GetArrayFromImage(sitk.DiscreteGaussian(image, 1.5**2, maximumKernelWidth=64, maximumError=1e-4))
    found = mask_edits.gaussian_smoothed(mask, (1.5, 1.5, 1.5))
    certain = np.abs(blurred - 0.5) > 0.03
    np.testing.assert_array_equal(found[certain], (blurred > 0.5)[certain])
    assert certain.mean() > 0.9
    assert (found != mask).any()


def test_smoothing_wears_no_mask_away_at_the_edge_of_the_volume() -> None:
    mask = np.zeros((8, 12, 12), bool)
    mask[:, 3:9, 3:9] = True
    for found in (
        mask_edits.median_smoothed(mask, (3, 3, 3)),
        mask_edits.gaussian_smoothed(mask, (1.0, 1.0, 1.0)),
    ):
        np.testing.assert_array_equal(found[0], found[4])
        assert found[0].any()


@pytest.mark.parametrize(("size_mm", "kernel"), [(3.0, (1, 3, 5)), (0.1, (1, 1, 1)), (6.0, (3, 7, 9))])
def test_the_box_of_a_median_has_odd_sides_near_its_size(size_mm: float, kernel: tuple[int, ...]) -> None:
    assert mask_edits.odd_kernel(size_mm, (3.0, 0.9, 0.65)) == kernel
