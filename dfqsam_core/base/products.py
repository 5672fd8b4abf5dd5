"""Products whose last bits do not depend on how many cores there are."""

from __future__ import annotations

import numpy as np


def row_product(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """rows (..., in) times matrix (in, out), the same bits on any number of cores.

    numpy's own product is shared among threads, and adds up in another order by their number.
    """
    return np.einsum("...i,io->...o", rows, matrix)
