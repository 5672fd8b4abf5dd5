"""Checks that a volume file makes of its own promises before any memory is taken or another file is opened."""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...base.inputs import refuse_special_file
from ...base.memory import require_memory
from ...errors import VolumeError
from .voxel_types import memory_bytes

# Deflate cannot shrink data more than this; a file that promises more than that is damaged or hostile.
_DEFLATE_LIMIT = 1032
_HEADER_BYTES = 2**20
_CHUNK_BYTES, _PIECE_BYTES = 2**22, 2**24
_GZIP_MEMBER = b"\x1f\x8b"


def check_promise(path: Path, sizes: Sequence[int], voxel_bytes: int, stored_bytes: int, compressed: bool) -> None:
    """Raise VolumeError unless `stored_bytes` of data can hold `sizes` voxels of `voxel_bytes`."""
    if not sizes or min(sizes) < 1:
        raise VolumeError(f"{path} gives its size as {list(sizes)}; every size must be at least 1. It is damaged.")
    needed = math.prod(sizes) * voxel_bytes
    if needed > stored_bytes * (_DEFLATE_LIMIT if compressed else 1):
        raise VolumeError(
            f"{path} promises {' x '.join(map(str, sizes))} voxels ({needed} bytes), but the file holds only "
            f"{stored_bytes} bytes of data. It is truncated or damaged; get it again."
        )


def check_memory(path: Path, sizes: Sequence[int], dtype: np.dtype, is_scaled: bool = False) -> None:
    """Raise VolumeError when reading `sizes` voxels stored as `dtype`, and segmenting them, needs too much memory."""
    require_memory(memory_bytes(sizes, dtype, is_scaled), f"{path} with {' x '.join(map(str, sizes))} voxels")


def read_bytes(path: Path, offset: int, needed: int) -> bytes:
    """The `needed` bytes from `offset` on, as `check_promise` found them to be there; raises VolumeError otherwise."""
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(needed)
    if len(content) != needed:
        raise VolumeError(f"{path} ends before its last voxel. It is truncated; get it again.")
    return content


def inflate(path: Path, offset: int, needed: int) -> bytearray:
    """The `needed` bytes that a zlib stream, or the members of a gzip stream (RFC 1952), hold from `offset` on.

    Their checksums are compared. Raises VolumeError for a stream that is damaged, or holds more or less.
    """
    content, filled, is_whole = bytearray(needed), 0, False
    try:
        for chunk, ended in inflated(path, offset):
            is_whole = ended
            if filled + len(chunk) > needed:
                raise VolumeError(f"The compressed voxels of {path} are more than {needed} bytes, as its header says.")
            content[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
    except zlib.error as error:
        raise VolumeError(f"The compressed voxels of {path} are damaged: {error}. Get the file again.") from error
    if filled != needed or not is_whole:
        raise VolumeError(f"The compressed voxels of {path} are not {needed} bytes, as its header says. It is damaged.")
    return content


def inflated(path: Path, offset: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces of what is compressed, each with whether a member ends with it."""
    # 32: either kind of stream, told by its first bytes.
    stream = zlib.decompressobj(32 + zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(offset)
        while left := file.read(_CHUNK_BYTES):
            piece = b""
            while left or len(piece) == _PIECE_BYTES:
                piece = stream.decompress(left, _PIECE_BYTES)
                yield piece, stream.eof
                left = stream.unconsumed_tail
                if stream.eof:
                    left, piece = stream.unused_data, b""
                    # What is no further member is padding, or was put behind the stream by another program.
                    if not left.startswith(_GZIP_MEMBER[: len(left)]):
                        return
                    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)


def split_header(path: Path, end: bytes) -> tuple[str, int]:
    """Text of a header up to the pattern `end`, and where the data behind it begin; raises VolumeError without it."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    found = re.search(end, start)
    if found is None:
        raise VolumeError(
            f"{path} has no complete header with its voxels behind it: it is damaged, of another format, or keeps its "
            "voxels in another file. Save it again as one .nrrd or .mha file."
        )
    return start[: found.end()].decode("latin-1"), found.end()


def whole_numbers(path: Path, text: str) -> list[int]:
    """The whole numbers of a text; raises VolumeError for anything else in it."""
    try:
        return [int(part) for part in text.split()]
    except ValueError:
        raise VolumeError(f"{path} gives a size as {text[:60]!r}, not as whole numbers. The file is damaged.") from None


def check_readable(path: str | os.PathLike) -> Path:
    """Return `path` when it is a file that can be opened and is not empty; raise VolumeError otherwise."""
    source = Path(path)
    refuse_special_file(source, VolumeError)
    try:
        with source.open("rb") as file:
            if not file.read(1):
                raise VolumeError(f"{source} is empty. Get the file again.")
    except OSError as error:
        raise VolumeError(f"The volume {source} cannot be opened: {error.strerror}. Check the path.") from error
    return source
