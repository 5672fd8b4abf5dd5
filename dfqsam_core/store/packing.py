"""Codes of a few bits as bytes, by the layout of docs/how/model_file.md."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError, ModelFileError

WEIGHT_BITS = range(4, 9)


def packed_width(row_length: int, bits: int) -> int:
    """Bytes of one packed row; raises ConfigError unless `bits` is 4 to 8."""
    if bits not in WEIGHT_BITS:
        raise ConfigError(f"Codes of {bits} bits cannot be packed. Choose 4 to 8 bits.")
    return (row_length + 1) // 2 if bits == 4 else row_length


def pack_codes(codes: np.ndarray, bits: int) -> np.ndarray:
    """Store each row of codes: two 4-bit codes a byte, the first in the low half, or one code of 5 to 8 bits a byte.

    codes: uint8 (rows, n), values 0 .. 2**bits - 1.
    Returns uint8 (rows, packed_width(n, bits)), `codes` itself above 4 bits; `unpack_codes` restores the codes exactly.
    Raises ConfigError when `bits`, the dtype, the shape or a value does not fit.
    """
    width = packed_width(codes.shape[-1], bits)
    if codes.dtype != np.uint8 or codes.ndim != 2:
        raise ConfigError(f"Codes to pack must be uint8 (rows, n), not {codes.dtype} {codes.shape}.")
    if codes.size and int(codes.max()) >= 1 << bits:
        raise ConfigError(f"Code {codes.max()} does not fit in {bits} bits.")
    if bits != 4:
        return codes
    packed = np.zeros((len(codes), width), np.uint8)
    packed[:] = codes[:, 0::2]
    packed[:, : codes.shape[1] // 2] |= np.left_shift(codes[:, 1::2], np.uint8(4))
    return packed


def unpack_codes(packed: np.ndarray, bits: int, row_length: int) -> np.ndarray:
    """Restore the codes of `pack_codes`, uint8 (rows, row_length).

    Raises ModelFileError when the dtype or shape does not fit; values are the business of `check_packed`.
    """
    width = packed_width(row_length, bits)
    if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != width:
        raise ModelFileError(
            f"Packed codes are {packed.dtype} {packed.shape}; {row_length} codes of {bits} bits a row need uint8 "
            f"(rows, {width}). Get an undamaged copy of the model."
        )
    if bits != 4:
        return packed
    codes = np.empty((len(packed), row_length), np.uint8)
    codes[:, 0::2] = packed & 15
    codes[:, 1::2] = packed[:, : row_length // 2] >> 4
    return codes


def check_packed(packed: np.ndarray, bits: int, row_length: int) -> str:
    """Say what is wrong with packed weight codes, uint8 (rows, width), of `bits` bits; "" when nothing is."""
    if bits == 4:
        return "has an unused last half byte that is not zero" if row_length % 2 and packed[:, -1].max() > 15 else ""
    if int(packed.max()) >= 1 << bits:
        return f"has the code {packed.max()}, out of range for {bits} bits"
    return "has the code 0, which 8-bit weights do not use" if bits == 8 and packed.min() == 0 else ""
