"""Safetensors files, looked at without copying: the library judges the header, the tensors stay on disk."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..base.inputs import is_plain_file, shown
from ..errors import DFQSAMError
from .stored_tensor import StoredTensor

CARD_KEY = "dfqsam"
_MAX_HEADER_BYTES = 16 * 2**20
_MAX_DIMENSIONS = 8
_TYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
}


def looks_like_safetensors(path: str | os.PathLike) -> bool:
    """Return whether the file starts as a safetensors file does: a plausible length, then a JSON object."""
    if not is_plain_file(path):
        return False
    with open(path, "rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= _MAX_HEADER_BYTES


def is_packed_model(path: str | os.PathLike) -> bool:
    """Return whether the file carries a model card of this project, whole or damaged; False for an unreadable one."""
    try:
        return looks_like_safetensors(path) and CARD_KEY in _read_header(Path(path), DFQSAMError)[0]
    except (OSError, DFQSAMError):
        return False


def open_safetensors(
    path: str | os.PathLike, error: type[DFQSAMError]
) -> tuple[dict[str, str], dict[str, StoredTensor]]:
    """Metadata and tensors by name of a valid safetensors file.

    Raises `error` when the file is no safetensors file, truncated or otherwise damaged.
    """
    path = Path(path)
    metadata, entries, start = _read_header(path, error)
    size = path.stat().st_size
    tensors = {name: _tensor(path, name, entry, start, size, error) for name, entry in entries.items()}
    try:
        with safe_open(path, "numpy"):
            return metadata, tensors
    except SafetensorError as fault:
        raise error(f"{path.name} is damaged: {fault}. Get an undamaged copy.") from fault


def _read_header(path: Path, error: type[DFQSAMError]) -> tuple[dict[str, str], dict[str, Any], int]:
    if not looks_like_safetensors(path):
        raise error(f"{path.name} is not a safetensors file. Choose a .safetensors model.")
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length)
    if len(text) < length:
        raise error(f"{path.name} is truncated: it ends within its header. Get a complete copy.")
    try:
        header = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as fault:
        raise error(
            f"{path.name} is damaged: its header is not JSON with every key once. Get an undamaged copy."
        ) from fault
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise error(f"{path.name} is damaged: its metadata is not a table of texts. Get an undamaged copy.")
    return metadata, header, 8 + length


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        # Each parser would take another one of the two.
        raise ValueError("a key is given twice")
    return table


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**63


def _tensor(path: Path, name: str, entry: Any, start: int, size: int, error: type[DFQSAMError]) -> StoredTensor:
    try:
        shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
        dtype, itemsize = _TYPES.get(entry["dtype"], (str(entry["dtype"]), 0))
        whole = len(shape) <= _MAX_DIMENSIONS and all(map(_is_size, (*shape, begin, end)))
        fits = whole and (itemsize == 0 or end - begin == math.prod(shape) * itemsize)
    except (KeyError, TypeError, ValueError) as fault:
        raise error(
            f"{path.name} is damaged: tensor {shown(name)} has a malformed entry. Get an undamaged copy."
        ) from fault
    if not fits:
        raise error(f"{path.name} is damaged: tensor {shown(name)} does not fill its place. Get an undamaged copy.")
    if start + end > size:
        raise error(
            f"{path.name} is truncated: tensor {shown(name)} ends behind the end of the file. Get a complete copy."
        )
    return StoredTensor(path, dtype, shape, start + begin)
