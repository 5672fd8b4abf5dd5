"""SAM-Med2D's rules (test T14): BGR, nearest squash, x * S / W, sigmoid masks, two bilinear steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.base.interpolation import linear_resize_matrix
from dfqsam_core.runtime.preprocess import full_size_logits, mask_probabilities, network_coordinates, network_pixels


def test_gray_becomes_three_equal_channels() -> None:
    gray = np.array([[0, 50], [100, 255]], np.uint8)
    pixels = network_pixels(gray, 2)
    np.testing.assert_array_equal(pixels, np.dstack([gray] * 3))


def test_red_goes_last() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert network_pixels(red, 2, "RGB")[0, 0].tolist() == [0, 0, 200]
    assert network_pixels(red, 2, "BGR")[0, 0].tolist() == [200, 0, 0]


def test_the_aspect_ratio_is_not_kept() -> None:
    image = np.arange(8, dtype=np.uint8).reshape(2, 4)
    assert network_pixels(image, 4)[:, :, 0].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7]]


def test_resizing_takes_the_nearest_lower_pixel() -> None:
    image = np.arange(5, dtype=np.uint8)[None].repeat(5, axis=0)
    assert network_pixels(image, 3)[0, :, 0].tolist() == [0, 1, 3]


def test_the_image_is_not_changed_and_not_shared() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    pixels = network_pixels(image, 4, "BGR")
    pixels += 1
    assert image.max() == 0


@given(st.integers(1, 2000), st.integers(1, 2000), st.floats(0, 1), st.floats(0, 1))
def test_coordinates_scale_with_each_side(height: int, width: int, u: float, v: float) -> None:
    xy = network_coordinates(np.array([[u * width, v * height]]), (height, width), 256)
    np.testing.assert_allclose(xy, [[u * 256, v * 256]], rtol=1e-6, atol=1e-6)
    assert xy.dtype == np.float32


def test_a_mask_prompt_is_a_probability() -> None:
    logits = np.array([-1e9, -1, 0, 1, 1e9], np.float32)
    expected = [0, 1 / (1 + np.e), 0.5, 1 / (1 + 1 / np.e), 1]
    np.testing.assert_allclose(mask_probabilities(logits), expected, rtol=1e-6, atol=1e-20)


@pytest.mark.parametrize("shape", [(64, 64), (37, 90), (200, 10)])
def test_masks_pass_through_the_square_of_the_network(shape: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(0).standard_normal((3, 16, 16), np.float32)
    image = torch.from_numpy(logits)[None]
    for size in ((64, 64), shape):
        image = torch.nn.functional.interpolate(image, size, mode="bilinear", align_corners=False)
    result = full_size_logits(logits, shape, 64)
    assert result.shape == (3, *shape)
    np.testing.assert_allclose(result, image[0].numpy(), atol=1e-5)


@given(st.integers(1, 3), st.integers(1, 700), st.integers(1, 700))
def test_logits_of_any_size_are_those_of_two_whole_products(count: int, height: int, width: int) -> None:
    low_res = np.random.default_rng(height).normal(size=(count, 16, 16)).astype(np.float32)
    rows, columns = (linear_resize_matrix(64, n) @ linear_resize_matrix(16, 64) for n in (height, width))
    logits = full_size_logits(low_res, (height, width), 64)
    assert logits.shape == (count, height, width)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, rows @ low_res @ columns.T, atol=1e-5)
