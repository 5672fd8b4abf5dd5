"""Checkpoints as torch.save writes them, read without torch and without running anything that they name.

The archive is a ZIP of uncompressed members: a pickle that says which tensors there are, and one member of raw bytes
per storage. The pickle is read by an unpickler that knows a dozen harmless names; every other name is refused.
"""

from __future__ import annotations

import collections
import io
import math
import os
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .stored_tensor import StoredTensor, element_span

_MAX_PICKLE_BYTES = 32 * 2**20
_STORAGES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}


def read_torch_archive(path: Path) -> Any:
    """The object that torch.save wrote to `path`, with a StoredTensor in the place of each tensor; reads no storage.

    Objects of torch.optim become empty stand-ins. Raises CheckpointError when the archive is damaged, compressed, or
    names anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _load(path, archive)
    except CheckpointError:
        raise
    # A damaged archive or pickle can end in almost any exception; each means the same.
    except Exception as error:
        raise CheckpointError(f"{path.name} is truncated or damaged ({error}). Get a complete copy.") from error


def _load(path: Path, archive: zipfile.ZipFile) -> Any:
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1 or any(name.endswith("/constants.pkl") for name in members):
        kind = "a TorchScript program" if pickles else "a ZIP archive, but none of torch.save"
        raise CheckpointError(f"{path.name} is {kind}. Choose a state dict saved with torch.save.")
    text = archive.read(_stored(members[pickles[0]], _MAX_PICKLE_BYTES))
    _refuse_wild_memo(text)
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}byteorder" in members and archive.read(_stored(members[f"{prefix}byteorder"], 16)) != b"little":
        raise CheckpointError(f"{path.name} was saved on a big-endian machine. Save it again on a common one.")
    return _Unpickler(text, _Storages(path, prefix, members)).load()


def _stored(info: zipfile.ZipInfo, limit: int) -> zipfile.ZipInfo:
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise CheckpointError(
            f"The archive's member {info.filename!r} is compressed or encrypted, which torch.save never does. "
            "Save the state dict again with torch.save."
        )
    if info.file_size > limit:
        size = info.file_size
        raise CheckpointError(f"The archive's member {info.filename!r} of {size} bytes is too large. Get another copy.")
    return info


def _refuse_wild_memo(text: bytes) -> None:
    """Refuse memo numbers larger than the pickle: the unpickler would reserve memory for all numbers below."""
    for opcode, argument, _ in pickletools.genops(text):
        if opcode.name in ("PUT", "LONG_BINPUT") and isinstance(argument, int) and argument > len(text):
            raise ValueError(f"memo number {argument} is too large")


@dataclass(frozen=True)
class _Storage:
    dtype: str
    itemsize: int
    count: int
    byte_offset: int


class _Storages:
    """Finds the raw bytes of a storage in the archive."""

    def __init__(self, path: Path, prefix: str, members: dict[str, zipfile.ZipInfo]) -> None:
        self.path = path
        self._prefix = prefix
        self._members = members

    def find(self, identity: Any) -> _Storage:
        """Storage of a persistent id ("storage", type, key, location, number of elements)."""
        _, (dtype, itemsize), key, _, count = identity
        info = self._members.get(f"{self._prefix}data/{key}")
        if info is None:
            raise CheckpointError(f"{self.path.name} is incomplete: storage {key!r} is missing. Get a complete copy.")
        _stored(info, os.path.getsize(self.path))
        if type(count) is not int or not 0 <= count * itemsize <= info.file_size:
            raise CheckpointError(f"{self.path.name} is damaged: storage {key!r} is shorter than it says.")
        return _Storage(dtype, itemsize, count, self._first_byte(info))

    def _first_byte(self, info: zipfile.ZipInfo) -> int:
        # The length of the local header is only known there: its extra field differs from the directory's.
        with open(self.path, "rb") as file:
            file.seek(info.header_offset)
            header = file.read(30)
        name_length, extra_length = (int.from_bytes(header[place : place + 2], "little") for place in (26, 28))
        first = info.header_offset + len(header) + name_length + extra_length
        if header[:4] != b"PK\x03\x04" or first + info.file_size > os.path.getsize(self.path):
            raise CheckpointError(f"{self.path.name} is damaged: storage {info.filename!r} has no place in it.")
        return first


class _StandIn:
    """An object of torch.optim, without any of its state."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows containers, tensors and storages; all it can call are those names and they do nothing but hold values."""

    def __init__(self, text: bytes, storages: _Storages) -> None:
        super().__init__(io.BytesIO(text))
        self._storages = storages
        # Made anew for each file, so that no pickle can leave a trace on them.
        self._known: dict[str, Any] = {
            "collections.OrderedDict": collections.OrderedDict,
            "collections.defaultdict": collections.defaultdict,
            "builtins.dict": dict,
            "builtins.list": list,
            "builtins.set": set,
            "__builtin__.dict": dict,
            "__builtin__.list": list,
            "__builtin__.set": set,
            "torch.Size": tuple,
            "torch._utils._rebuild_tensor_v2": self._tensor_builder(),
            "torch._utils._rebuild_parameter": lambda data, requires_grad=False, hooks=None: data,
        }

    def find_class(self, module: str, name: str) -> Any:
        """Harmless stand-in for a known name; CheckpointError for any other."""
        known = f"{module}.{name}"
        if known in self._known:
            return self._known[known]
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module.split(".")[:2] == ["torch", "optim"]:
            return type("StandIn", (_StandIn,), {"__slots__": ()})
        raise CheckpointError(
            f"The checkpoint wants to use {known!r}, which a state dict does not need; nothing of it was run. "
            "Use the published file, or save its state dict alone as .safetensors."
        )

    def persistent_load(self, identity: Any) -> _Storage:
        """Storage that the pickle refers to."""
        return self._storages.find(identity)

    def _tensor_builder(self) -> Callable[..., StoredTensor]:
        path = self._storages.path

        def build(storage: _Storage, offset: int, size: Any, stride: Any, *_: Any) -> StoredTensor:
            shape, strides = tuple(size), tuple(stride)
            numbers = (offset, *shape, *strides)
            if not all(type(number) is int and number >= 0 for number in numbers) or len(shape) != len(strides):
                raise CheckpointError(f"{path.name} is damaged: a tensor has the shape {shape}, strides {strides}.")
            # More elements than the storage has would be one element shown many times: no weight is stored so.
            if max(offset + element_span(shape, strides), math.prod(shape)) > storage.count:
                raise CheckpointError(f"{path.name} is damaged: a tensor of shape {shape} exceeds its storage.")
            first = storage.byte_offset + offset * storage.itemsize
            return StoredTensor(path, storage.dtype, shape, first, None if _is_row_major(shape, strides) else strides)

        return build


def _is_row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return all(size <= 1 or stride == step for size, stride, step in zip(shape, strides, expected, strict=True))
