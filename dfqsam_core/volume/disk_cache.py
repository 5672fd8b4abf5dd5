"""Embeddings that outlive the program: a folder of safetensors files behind the cache in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from ..base.inputs import is_ours
from ..base.outputs import atomic_output
from ..errors import OutputError
from ..runtime.embedding_cache import DEFAULT_CACHE_BYTES, EmbeddingCache
from ..store.safetensors_file import open_safetensors
from ..store.tensor_digest import file_digest

DEFAULT_DISK_BYTES = 2**30
_ENDING = ".embedding.safetensors"
_NAME, _DIGEST = "embedding", "sha256"


class DiskEmbeddingCache(EmbeddingCache):
    """An EmbeddingCache that also keeps every embedding as a float16 file in `folder`, up to `max_disk_bytes`.

    Files are named by the digest of their key, least recently used ones are deleted first, and only files with this
    cache's ending are ever touched. A damaged file counts as absent. Several programs may share a folder.
    """

    def __init__(
        self, folder: str | os.PathLike, max_disk_bytes: int = DEFAULT_DISK_BYTES, max_bytes: int = DEFAULT_CACHE_BYTES
    ) -> None:
        super().__init__(max_bytes)
        self.folder = Path(folder)
        self.max_disk_bytes = max_disk_bytes
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: Hashable) -> np.ndarray | None:
        """The embedding of `key` as float32, from memory or else from its file; None when neither has it."""
        found = super().get(key)
        if found is None and (found := self._read(self._path(key))) is not None:
            super().put(key, found)
        return found

    def put(self, key: Hashable, embedding: np.ndarray) -> None:
        """Remember `embedding` in memory and in a file; a full or read-only disk only means that it is not kept."""
        from safetensors.numpy import save

        super().put(key, embedding)
        tensors = {_NAME: np.ascontiguousarray(embedding, np.float16)}
        path = self._path(key)
        content = save(tensors, {_DIGEST: file_digest(path.name, tensors)})
        if len(content) > self.max_disk_bytes:
            return
        with contextlib.suppress(OSError, OutputError):
            with atomic_output(path, force=True) as temporary:
                temporary.write_bytes(content)
            self._trim()

    def _path(self, key: Hashable) -> Path:
        return self.folder / (hashlib.sha256(repr(key).encode()).hexdigest() + _ENDING)

    def _read(self, path: Path) -> np.ndarray | None:
        try:
            if not is_ours(path):
                return None
            metadata, stored = open_safetensors(path, OutputError)
            tensors = {_NAME: stored[_NAME].read()}
            if metadata.get(_DIGEST) != file_digest(path.name, tensors):
                return None
            os.utime(path)
        except (OSError, KeyError, ValueError):
            return None
        return tensors[_NAME].astype(np.float32)

    def _trim(self) -> None:
        files = [(path.stat(), path) for path in self.folder.glob("*" + _ENDING)]
        total = sum(status.st_size for status, _ in files)
        for status, path in sorted(files, key=lambda item: item[0].st_mtime_ns):
            if total <= self.max_disk_bytes:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size
