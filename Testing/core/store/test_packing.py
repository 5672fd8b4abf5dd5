"""Packing codes into bytes (T11, the half that concerns the file)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dfqsam_core.errors import ConfigError, ModelFileError
from dfqsam_core.store.packing import check_packed, pack_codes, packed_width, unpack_codes


def test_the_first_code_goes_to_the_low_half_and_a_last_odd_half_is_zero() -> None:
    packed = pack_codes(np.array([[1, 2, 3], [15, 0, 7]], np.uint8), 4)
    np.testing.assert_array_equal(packed, [[0x21, 0x03], [0x0F, 0x07]])


def test_all_pairs_of_4_bit_codes_survive() -> None:
    codes = np.array([[low, high] for low in range(16) for high in range(16)], np.uint8)
    packed = pack_codes(codes, 4)
    assert len(np.unique(packed)) == 256
    np.testing.assert_array_equal(unpack_codes(packed, 4, 2), codes)


@given(st.data(), st.integers(4, 8), st.integers(1, 5), st.integers(1, 9))
def test_unpacking_restores_any_codes(data: st.DataObject, bits: int, rows: int, length: int) -> None:
    codes = data.draw(arrays.arrays(np.uint8, (rows, length), elements=st.integers(0, 2**bits - 1)))
    before = codes.copy()
    packed = pack_codes(codes, bits)
    assert packed.shape == (rows, packed_width(length, bits))
    np.testing.assert_array_equal(unpack_codes(packed, bits, length), codes)
    np.testing.assert_array_equal(codes, before)


@pytest.mark.parametrize(
    ("codes", "bits", "message"),
    [
        (np.array([[16]], np.uint8), 4, "Code 16 does not fit in 4 bits"),
        (np.array([[64]], np.uint8), 6, "Code 64 does not fit in 6 bits"),
        (np.array([[1]], np.int64), 4, "must be uint8"),
        (np.array([1], np.uint8), 4, "must be uint8"),
        (np.array([[1]], np.uint8), 3, "Codes of 3 bits cannot be packed"),
        (np.array([[1]], np.uint8), 9, "Codes of 9 bits cannot be packed"),
    ],
)
def test_what_does_not_fit_is_refused(codes: np.ndarray, bits: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pack_codes(codes, bits)


@pytest.mark.parametrize("packed", [np.zeros((2, 3), np.uint8), np.zeros((2, 2), np.int8), np.zeros(2, np.uint8)])
def test_bytes_of_another_shape_are_refused(packed: np.ndarray) -> None:
    with pytest.raises(ModelFileError, match="4 codes of 4 bits a row need uint8"):
        unpack_codes(packed, 4, 4)


@pytest.mark.parametrize(
    ("byte", "bits", "row_length", "fault"),
    [
        (0xFF, 4, 2, ""),
        (0x1F, 4, 1, "has an unused last half byte that is not zero"),
        (0x0F, 4, 1, ""),
        (31, 5, 1, ""),
        (32, 5, 1, "has the code 32, out of range for 5 bits"),
        (0, 8, 1, "has the code 0, which 8-bit weights do not use"),
        (1, 8, 1, ""),
    ],
)
def test_each_fault_of_packed_codes_is_named(byte: int, bits: int, row_length: int, fault: str) -> None:
    assert check_packed(np.array([[byte]], np.uint8), bits, row_length) == fault
