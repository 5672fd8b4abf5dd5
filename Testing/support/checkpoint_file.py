"""Tiny model files, made without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from .toy import random_tensors, toy_architecture


def write_toy_checkpoint(folder: Path, seed: int = 3, name: str = "toy.safetensors") -> Path:
    """A float checkpoint of random weights."""
    path = folder / name
    tensors = random_tensors(toy_architecture(), seed)
    save_file({name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()}, path)
    return path
