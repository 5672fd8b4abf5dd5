"""Float weights in 8 bits a row: a safetensors checkpoint not much larger than half a float16 one, read as float32."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ..base.inputs import shown
from ..base.outputs import atomic_output
from ..errors import CheckpointError
from .card import DIGEST_KEY
from .model_checks import is_position_table
from .safetensors_file import open_safetensors
from .stored_tensor import FLOAT_TYPES, StoredTensor
from .tensor_digest import tensors_digest

# Metadata of such a file, beside the digest of its tensors.
ROWS_KEY = "int8_rows"
VERSION = "1"
SCALE_ENDING = ".row_scale"
# The decoder's weights make few of the bytes, and rounding them costs half a point of Dice at one click.
_CODED_PART = "image_encoder."
# A scale costs 4 bytes a row: nothing is gained on smaller tensors.
_LEAST_ELEMENTS = 4096
_AGAIN = "Get an undamaged copy, or make the file again."


@dataclass(frozen=True)
class CodedRows(StoredTensor):
    """A tensor of signed 8-bit codes: each value is its code times the scale of its row, its first index.

    scale: float32 (rows,).
    """

    scale: StoredTensor = field(kw_only=True)

    @property
    def storage(self) -> str:
        """Words for how its values are stored."""
        return "8 bits a row"

    @property
    def is_float(self) -> bool:
        """Codes with a scale stand for float values."""
        return True

    @property
    def stored_bytes(self) -> int:
        """Bytes of the file that are read, those of the scales too."""
        return super().stored_bytes + self.scale.stored_bytes

    def read_float32(self) -> np.ndarray:
        """The values as float32."""
        codes = np.fromfile(self.path, np.int8, self.elements, offset=self.byte_offset)
        rows = codes.reshape(self.shape[0], -1).astype(np.float32)
        # A scale near the end of float32 gives what is not finite, which the checkpoint's reader refuses.
        with np.errstate(over="ignore"):
            rows *= self.scale.read()[:, None]
        return rows.reshape(self.shape)


def open_checkpoint_file(path: Path) -> tuple[dict[str, str], Mapping[str, StoredTensor]]:
    """Metadata and float tensors of a safetensors file, whether it has codes or not.

    A file with codes is checked to its last bit. Raises CheckpointError for a damaged one and another version.
    """
    metadata, stored = open_safetensors(path, CheckpointError)
    if ROWS_KEY not in metadata:
        return metadata, stored
    if metadata[ROWS_KEY] != VERSION:
        raise CheckpointError(
            f"{path.name} has weights of 8 bits a row in version {shown(metadata[ROWS_KEY])}, this program reads "
            f"version {VERSION}. Use the program that made it."
        )
    other = [name for name, tensor in stored.items() if tensor.dtype not in (*FLOAT_TYPES, "int8")]
    if other:
        found = f"{shown(other[0])} of {path.name} is {stored[other[0]].dtype}"
        raise CheckpointError(f"{found}, neither codes nor float. {_AGAIN}")
    tensors = {name: _with_scale(path, name, stored) for name in stored if not name.endswith(SCALE_ENDING)}
    alone = [name for name in stored if name.endswith(SCALE_ENDING) and not _is_coded(name, stored)]
    if alone:
        raise CheckpointError(f"{path.name} has the scales {shown(alone[0])} without codes. {_AGAIN}")
    if tensors_digest({name: tensor.read() for name, tensor in stored.items()}) != metadata.get(DIGEST_KEY):
        raise CheckpointError(f"{path.name} does not hold what was written: bits of it have changed. {_AGAIN}")
    return metadata, tensors


def with_row_scales(path: Path, saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state dict whose codes another program has saved again, as its trainers do: codes and scales become one.

    Raises CheckpointError for codes without a scale for each row.
    """
    stored = {name: value for name, value in saved.items() if isinstance(value, StoredTensor)}
    scales = {name for name in stored if name.endswith(SCALE_ENDING) and _is_coded(name, stored)}
    coded = {name.removesuffix(SCALE_ENDING) for name in scales}
    return {
        name: _with_scale(path, name, stored) if name in coded else value
        for name, value in saved.items()
        if name not in scales
    }


def write_rows(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    said: Mapping[str, str] | None = None,
    force: bool = False,
) -> None:
    """Write a network with its image encoder in 8 bits a row; the decoder, and what is small or flat, becomes float16.

    said: more metadata. The same tensors give the same bytes. Values outside float16's range stay float32.
    Raises OutputError when `path` cannot be written.
    """
    stored: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        if _is_worth_coding(name, tensor):
            stored[name], stored[name + SCALE_ENDING] = _coded(tensor)
        else:
            stored[name] = _half(tensor)
    metadata = {**(said or {}), ROWS_KEY: VERSION, DIGEST_KEY: tensors_digest(stored)}
    with atomic_output(path, force) as temporary:
        temporary.write_bytes(_with_sorted_metadata(save(stored, metadata)))


def _with_sorted_metadata(content: bytes) -> bytes:
    """The same file with its metadata in the order of their names: the library writes them in a random one."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _is_worth_coding(name: str, tensor: np.ndarray) -> bool:
    is_large = tensor.ndim > 1 and tensor.size >= _LEAST_ELEMENTS
    return is_large and name.startswith(_CODED_PART) and not is_position_table(name)


def _coded(tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes -127 .. 127, int8 as `tensor` lies, and scales float32 (rows,): the largest value of a row gets 127."""
    rows = np.asarray(tensor, np.float32).reshape(len(tensor), -1)
    scale = np.abs(rows).max(axis=1) / np.float32(127)
    # A row of zeros has codes of zero under any scale.
    scale[scale == 0] = 1
    codes = np.rint(rows / scale[:, None]).clip(-127, 127).astype(np.int8)
    return codes.reshape(tensor.shape), scale


def _half(tensor: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(tensor, np.float16)
    return half if np.isfinite(half).all() else np.ascontiguousarray(tensor, np.float32)


def _is_coded(scale_name: str, stored: Mapping[str, StoredTensor]) -> bool:
    codes = stored.get(scale_name.removesuffix(SCALE_ENDING))
    return codes is not None and codes.dtype == "int8"


def _with_scale(path: Path, name: str, stored: Mapping[str, StoredTensor]) -> StoredTensor:
    tensor, scale = stored[name], stored.get(name + SCALE_ENDING)
    if tensor.dtype != "int8":
        return tensor
    if (
        tensor.strides is not None
        or len(tensor.shape) < 2
        or scale is None
        or (scale.dtype, scale.shape) != ("float32", tensor.shape[:1])
    ):
        raise CheckpointError(f"The codes {shown(name)} of {path.name} have no scale for each row. {_AGAIN}")
    scales, codes = scale.read(), tensor.read()
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise CheckpointError(f"The scales of {shown(name)} of {path.name} are not all positive numbers. {_AGAIN}")
    if codes.size and codes.min() == -128:
        raise CheckpointError(f"The codes {shown(name)} of {path.name} hold -128, which no row uses. {_AGAIN}")
    return CodedRows(path, tensor.dtype, tensor.shape, tensor.byte_offset, scale=scale)
