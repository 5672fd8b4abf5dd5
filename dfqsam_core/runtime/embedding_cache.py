"""Remembers image embeddings, the most recently used ones, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np

from ..errors import ConfigError

# A slice of SAM-Med2D takes 128 KiB: room for 2000 slices.
DEFAULT_CACHE_BYTES = 256 * 2**20


class EmbeddingCache:
    """Embeddings as float16, least recently used ones forgotten first; safe to use from several threads.

    A key stands for all that an embedding depends on: the digest of the 8-bit slice, which covers voxels and window,
    that of the model file, and the engine. Forgetting changes no result as long as embeddings are rounded to float16
    before their first use, too.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        if max_bytes < 0:
            raise ConfigError(f"A cache of {max_bytes} bytes is impossible. Give 0 to remember nothing.")
        self.max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Bytes of all remembered embeddings."""
        return self._bytes

    def get(self, key: Hashable) -> np.ndarray | None:
        """The embedding of `key` as float32, or None when it is not remembered."""
        with self._lock:
            stored = self._entries.get(key)
            if stored is None:
                return None
            self._entries.move_to_end(key)
        return stored.astype(np.float32)

    def put(self, key: Hashable, embedding: np.ndarray) -> None:
        """Remember `embedding`, rounded to float16; one larger than the whole cache is not kept."""
        stored = embedding.astype(np.float16)
        with self._lock:
            self._forget(key)
            if stored.nbytes <= self.max_bytes:
                self._entries[key] = stored
                self._bytes += stored.nbytes
            while self._bytes > self.max_bytes:
                self._forget(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _forget(self, key: Hashable) -> None:
        forgotten = self._entries.pop(key, None)
        if forgotten is not None:
            self._bytes -= forgotten.nbytes
