"""Weights as the engine multiplies with them: (in, taps, out), so that a choice of taps is a copy of whole rows."""

from __future__ import annotations

import numpy as np

from ...store.model_file import StoredModel
from ...store.packing import unpack_codes

# Rows of bytes that a core's first cache holds while they are turned.
_ROWS_AT_ONCE = 32


def code_weight(model: StoredModel, layer: str) -> np.ndarray:
    """Weight codes of `layer` minus their zero point, int8 (in, taps, out)."""
    spec, bits = model.layers[layer], model.weight_bits(layer) or 8
    packed, zero_point = model.tensors[f"{layer}.weight.codes"], model.tensors[f"{layer}.weight.zero_point"]
    if bits == 4:
        # Turned while two codes still share a byte: half the bytes to move.
        columns = _turned(packed)
        codes = np.empty((2 * len(columns), spec.out_channels), np.uint8)
        np.bitwise_and(columns, 15, out=codes[0::2])
        np.right_shift(columns, 4, out=codes[1::2])
        codes = codes[: spec.row_length]
    else:
        codes = _turned(unpack_codes(packed, bits, spec.row_length))
    # Modulo 256: every difference of the format fits into a signed byte.
    np.subtract(codes, zero_point, out=codes)
    return codes.view(np.int8).reshape(spec.in_channels, -1, spec.out_channels)


def float_weight(model: StoredModel, layer: str) -> np.ndarray:
    """Weight of `layer`, float32 (in, taps, out), whether stored as codes or as float."""
    spec, weight = model.layers[layer], model.float_weight(layer)
    weight = weight if spec.kind == "conv_transpose" else weight.swapaxes(0, 1)
    return weight.reshape(spec.in_channels, spec.out_channels, -1).transpose(0, 2, 1)


def _turned(rows: np.ndarray) -> np.ndarray:
    """A transposed copy, uint8 (n, rows)."""
    columns = np.empty(rows.shape[::-1], np.uint8)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        columns[:, start : start + _ROWS_AT_ONCE] = rows[start : start + _ROWS_AT_ONCE].T
    return columns
