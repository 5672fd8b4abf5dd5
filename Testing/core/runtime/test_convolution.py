from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.runtime.graph.im2col import TapTable, convolution_taps, join_phases, transposed_convolution_phases


def apply(table: TapTable, image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    padded = np.append(image.ravel(), 0)
    return padded[table.positions] @ kernel.ravel()[table.kernel]


def test_a_convolution_of_ones_counts_the_real_neighbours() -> None:
    counted = apply(convolution_taps(3, size=3, stride=1, padding=1), np.ones((3, 3)), np.ones((3, 3)))
    np.testing.assert_array_equal(counted.reshape(3, 3), [[4, 6, 4], [6, 9, 6], [4, 6, 4]])


def test_stride_two_starts_at_the_padding() -> None:
    taps = convolution_taps(4, size=3, stride=2, padding=1)
    assert taps.positions[0].tolist() == [16, 16, 16, 16, 0, 1, 16, 4, 5]
    assert len(taps.positions) == 4


@given(st.integers(1, 7), st.sampled_from([(3, 1, 1), (3, 2, 1), (1, 1, 0), (2, 2, 0)]), st.integers(0, 99))
def test_a_convolution_equals_its_definition(side, shape, seed) -> None:
    size, stride, padding = shape
    if side + 2 * padding < size:
        return
    generator = np.random.default_rng(seed)
    image, kernel = generator.integers(-9, 9, (side, side)), generator.integers(-9, 9, (size, size))
    padded = np.pad(image, padding)
    starts = range(0, side + 2 * padding - size + 1, stride)
    expected = [(padded[y : y + size, x : x + size] * kernel).sum() for y in starts for x in starts]
    np.testing.assert_array_equal(apply(convolution_taps(side, size, stride, padding), image, kernel), expected)


@pytest.mark.parametrize(("size", "stride", "padding"), [(4, 2, 1), (2, 2, 0), (3, 1, 1)])
@given(side=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_transposed_convolution_equals_its_definition(size, stride, padding, side, seed) -> None:
    generator = np.random.default_rng(seed)
    image, kernel = generator.integers(-9, 9, (side, side)), generator.integers(-9, 9, (size, size))
    canvas = np.zeros(2 * [stride * (side - 1) + size], int)
    for y, x in np.ndindex(side, side):
        canvas[stride * y : stride * y + size, stride * x : stride * x + size] += image[y, x] * kernel
    expected = canvas[padding : padding + stride * side, padding : padding + stride * side]
    phases = [apply(phase, image, kernel) for phase in transposed_convolution_phases(side, size, stride, padding)]
    joined = np.stack(phases, axis=1).ravel()[join_phases(side, stride)]
    np.testing.assert_array_equal(joined.reshape(expected.shape), expected)
