"""Embeddings that outlive the program: a folder of safetensors files behind the cache in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from ..base.bounded_folder import BoundedFolder
from ..base.outputs import atomic_output
from ..errors import OutputError
from ..runtime.embedding_cache import DEFAULT_CACHE_BYTES, EmbeddingCache

DEFAULT_DISK_BYTES = 2**30
_ENDING = ".embedding.safetensors"
_NAME = "embedding"


class DiskEmbeddingCache(EmbeddingCache):
    """An EmbeddingCache that also keeps every embedding as a float16 file in `folder`, up to `max_disk_bytes`.

    Files are named by the digest of their key, least recently used ones are deleted first, and only files with this
    cache's ending are ever touched. A damaged file counts as absent. Several programs may share a folder.
    """

    def __init__(
        self, folder: str | os.PathLike, max_disk_bytes: int = DEFAULT_DISK_BYTES, max_bytes: int = DEFAULT_CACHE_BYTES
    ) -> None:
        super().__init__(max_bytes)
        self._files = BoundedFolder(Path(folder), _ENDING, max_disk_bytes)
        self._files.folder.mkdir(parents=True, exist_ok=True)

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
        content = save({_NAME: np.ascontiguousarray(embedding, np.float16)})
        path = self._path(key)
        if len(content) > self._files.max_bytes:
            return
        with contextlib.suppress(OSError, OutputError):
            with atomic_output(path, force=True) as temporary:
                temporary.write_bytes(content)
            self._files.trim()

    def _path(self, key: Hashable) -> Path:
        return self._files.entry(hashlib.sha256(repr(key).encode()).hexdigest())

    def _read(self, path: Path) -> np.ndarray | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            embedding = load(path.read_bytes())[_NAME]
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        self._files.mark_used(path)
        return embedding.astype(np.float32)
