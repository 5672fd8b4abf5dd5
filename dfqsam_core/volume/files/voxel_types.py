"""The types in which voxels are kept: exact for labels, float32 for grey values that need no more."""

from __future__ import annotations

import numpy as np

# Whole numbers up to this are exact in float32.
_FLOAT32_EXACT = 2**24


def native_voxels(array: np.ndarray) -> np.ndarray:
    """The array in the machine's byte order.

    Integers of up to 32 bits stay as they are, larger ones become int32 where that holds them. Floats are float32,
    except for whole numbers of float64 that float32 would merge, as labels may be: these become int64.
    """
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind in "iu":
        return native if array.dtype.itemsize <= 4 else _narrowed(native)
    if array.dtype.itemsize > 4 and _are_large_labels(native):
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
    return bool((array == np.floor(array)).all())
