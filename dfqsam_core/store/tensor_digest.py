"""One number for the tensors of a file, kept beside them, so that a flipped bit is not taken for a weight."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np


def tensors_digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over all tensors in the order of their names: each one's name, dtype and shape as JSON, then its bytes.

    Bytes are little-endian and row-major, as safetensors stores them.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, tensor.dtype.name, list(tensor.shape)]).encode())
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def file_digest(name: str, tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of `tensors` and of the name of the file that holds them, so that no file passes for another one."""
    return hashlib.sha256(f"{name} {tensors_digest(tensors)}".encode()).hexdigest()
