"""Checkpoints as torch.save writes them, read without torch and without running anything that they name.

The archive is a ZIP of uncompressed members: a pickle that says which tensors there are, and one member of raw bytes
per storage. The pickle may use a dozen harmless names; every other name is refused.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.inputs import shown
from ..errors import CheckpointError
from .pickle_reader import Name, PickleReader, StandIn
from .stored_tensor import StoredTensor, element_span

# Of the pickle and of the archive's directory; ViT-H with an Adam object has less than 1 MB of each.
_MAX_TABLE_BYTES = 16 * 2**20
_MAX_DIMENSIONS = 8
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

    Tables of every kind become dictionaries, sets become lists, objects of torch.optim empty stand-ins. Raises
    CheckpointError when the archive is damaged, compressed, or names anything else.
    """
    try:
        with _Archive(path) as file, zipfile.ZipFile(file) as archive:
            return _load(path, archive)
    except CheckpointError:
        raise
    # A damaged archive or pickle can end in almost any exception; each means the same.
    except Exception as error:
        raise CheckpointError(f"{path.name} is truncated or damaged ({error}). Get a complete copy.") from error


class _Archive(io.FileIO):
    """The file as `zipfile` sees it: it reads a directory in one piece, whatever size the file claims for it."""

    def read(self, size: int | None = -1) -> bytes:
        """As of any file."""
        if size is not None and size > _MAX_TABLE_BYTES:
            raise CheckpointError(f"The archive {self.name} claims a table of {size} bytes. Get an undamaged copy.")
        return super().read(-1 if size is None else size) or b""


def _load(path: Path, archive: zipfile.ZipFile) -> Any:
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1 or any(name.endswith("/constants.pkl") for name in members):
        kind = "a TorchScript program" if pickles else "a ZIP archive, but none of torch.save"
        raise CheckpointError(f"{path.name} is {kind}. Choose a state dict saved with torch.save.")
    text = archive.read(_stored(members[pickles[0]], _MAX_TABLE_BYTES))
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}byteorder" in members and archive.read(_stored(members[f"{prefix}byteorder"], 16)) != b"little":
        raise CheckpointError(f"{path.name} was saved on a big-endian machine. Save it again on a common one.")
    return _Table(_Storages(path, prefix, members)).read(text)


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
        _, kind, key, _, count = identity
        if not isinstance(kind, Name) or kind.value is None or not isinstance(key, str):
            raise CheckpointError(f"{self.path.name} is damaged: a storage is {shown(identity)}.")
        dtype, itemsize = kind.value
        info = self._members.get(f"{self._prefix}data/{key}")
        if info is None:
            raise CheckpointError(
                f"{self.path.name} is incomplete: storage {shown(key)} is missing. Get a complete copy."
            )
        _stored(info, os.path.getsize(self.path))
        if type(count) is not int or not 0 <= count * itemsize <= info.file_size:
            raise CheckpointError(f"{self.path.name} is damaged: storage {shown(key)} is shorter than it says.")
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


class _Table:
    """Reads the pickle: containers, tensors and storages; all it can call are those, and they only hold values."""

    def __init__(self, storages: _Storages) -> None:
        self._storages = storages
        self._reader = reader = PickleReader(self._name, storages.find, key_types=(StoredTensor,))
        self._known: dict[str, Callable[..., Any]] = {
            "collections.OrderedDict": lambda pairs=(): reader.table(pairs),
            "collections.defaultdict": lambda make=None: {},
            "builtins.dict": lambda pairs=(): reader.table(pairs),
            "builtins.list": lambda values=(): reader.copied(values),
            "builtins.set": lambda values=(): reader.copied(values),
            "torch.Size": lambda values=(): values,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": lambda data, requires_grad=False, hooks=None: data,
        }

    def read(self, text: bytes) -> Any:
        """The object that the pickle describes."""
        return self._reader.read(text)

    def _name(self, name: str) -> Name:
        """Harmless stand-in for a known name; CheckpointError for any other."""
        known = name.replace("__builtin__.", "builtins.", 1)
        if known in self._known:
            return Name(known, call=self._known[known])
        if (storage := _STORAGES.get(name.removeprefix("torch."))) is not None and name.startswith("torch."):
            return Name(name, value=storage)
        if name.startswith("torch.optim."):
            return Name(name, call=lambda *arguments: StandIn())
        raise CheckpointError(
            f"The checkpoint wants to use {shown(name)}, which a state dict does not need; nothing of it was run. "
            "Use the published file, or save its state dict alone as .safetensors."
        )

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
        path = self._storages.path
        numbers = (offset, *size, *stride) if isinstance(size, tuple) and isinstance(stride, tuple) else (None,)
        if (
            not isinstance(storage, _Storage)
            or not all(type(number) is int and number >= 0 for number in numbers)
            or len(size) != len(stride)
            or len(size) > _MAX_DIMENSIONS
        ):
            found = f"the shape {shown(size)}, strides {shown(stride)}"
            raise CheckpointError(f"{path.name} is damaged: a tensor has {found}.")
        # More elements than the storage has would be one element shown many times: no weight is stored so.
        if max(offset + element_span(size, stride), math.prod(size)) > storage.count:
            raise CheckpointError(f"{path.name} is damaged: a tensor of shape {shown(size)} exceeds its storage.")
        first = storage.byte_offset + offset * storage.itemsize
        return StoredTensor(path, storage.dtype, size, first, None if _is_row_major(size, stride) else stride)


def _is_row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return all(size <= 1 or stride == step for size, stride, step in zip(shape, strides, expected, strict=True))
