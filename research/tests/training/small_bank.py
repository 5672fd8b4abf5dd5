"""A bank of one small scan: a bright cube in noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from research.training.bank import BankScan, save_bank


def write_small_bank(path: Path) -> Path:
    """Write the bank to `path`, .npz; returns the path."""
    rng = np.random.default_rng(0)
    labels = np.zeros((4, 6, 40, 40), np.uint8)
    labels[:, :, 8:30, 10:32] = 1
    image = (rng.integers(0, 200, (6, 40, 40)) + 600 * labels[0].astype(int)).astype(np.int16)
    scan = BankScan("cube", "MR", image, labels, (3.0, 1.0, 1.0), "acs", 1.0, (0.8, 0.1, 0.1, 0.0), "made here", 1.0)
    save_bank(path, [scan])
    return path
