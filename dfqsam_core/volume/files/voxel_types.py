"""The types in which voxels are kept: exact for labels, float32 for grey values that need no more."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...base.memory import require_memory

# Whole numbers up to this are exact in float32.
_FLOAT32_EXACT = 2**24
# The session's label map, two bytes per voxel, the one that is written, and the copy that is read back.
_LABEL_BYTES = 4
# Logits, masks and their enlarged copies for each pixel of a slice.
_PIXEL_BYTES = 32
_PIECE_VOXELS = 2**22


def memory_bytes(sizes: Sequence[int], dtype: np.dtype, is_scaled: bool = False) -> int:
    """The most bytes that lie in memory at once, from reading voxels stored as `dtype` to a label map beside them.

    sizes: voxels along each axis. is_scaled: whether a slope and intercept make float32 of them.
    """
    voxels = math.prod(sizes)
    return voxels * _voxel_bytes(dtype, is_scaled) + voxels // min(sizes[:3]) * _PIXEL_BYTES


def _voxel_bytes(dtype: np.dtype, is_scaled: bool) -> int:
    swapped = 0 if dtype.isnative or is_scaled else dtype.itemsize
    converted = np.dtype(np.float32).itemsize if is_scaled or dtype.itemsize > 4 else 0
    return max(dtype.itemsize + swapped + converted, (converted or dtype.itemsize) + _LABEL_BYTES)


def native_voxels(array: np.ndarray) -> np.ndarray:
    """The array in the machine's byte order.

    Integers of up to 32 bits stay as they are, larger ones become int32 where that holds them. Floats are float32,
    except for whole numbers of float64 that float32 would merge, as labels may be: these become int64.
    """
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind in "iu":
        return native if array.dtype.itemsize <= 4 else _narrowed(native)
    if array.dtype.itemsize > 4 and _are_large_labels(native):
        require_memory(3 * native.nbytes, "A volume of large whole numbers in float64")
        return _narrowed(native.astype(np.int64))
    with np.errstate(over="ignore"):
        return native.astype(np.float32, copy=False)


def _narrowed(array: np.ndarray) -> np.ndarray:
    limits = np.iinfo(np.int32)
    fits = array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max)
    return array.astype(np.int32) if fits else array


def _are_large_labels(array: np.ndarray) -> bool:
    if array.size == 0:
        return False
    low, high = float(array.min()), float(array.max())
    # Also false for NaN and infinities, which no label is.
    if not (high > _FLOAT32_EXACT or low < -_FLOAT32_EXACT) or not max(-low, high) < 2**63:
        return False
    # In pieces: what a whole volume is compared with would lie beside it.
    flat = array.reshape(-1)
    pieces = (flat[start : start + _PIECE_VOXELS] for start in range(0, flat.size, _PIECE_VOXELS))
    return all((piece == np.floor(piece)).all() for piece in pieces)
