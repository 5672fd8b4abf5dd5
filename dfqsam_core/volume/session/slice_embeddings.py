"""Embeddings of a volume's slices: each is made once, whoever asks, and side by side where many will be needed."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from ...runtime.ahead import Ahead
from ...runtime.embedding_cache import EmbeddingCache
from ..slices import SliceKey

Encode = Callable[[np.ndarray], np.ndarray]


class Encoder(Protocol):
    """The part of a predictor that embeds an image, which is then set."""

    def set_image(self, image: np.ndarray) -> None:
        """Embed a uint8 image (H, W)."""

    def get_image_embedding(self) -> np.ndarray:
        """Its embedding, float32 (1, C, grid, grid)."""
        ...


class SliceEmbeddings:
    """Embeddings of slices by a model's encoder, from the cache where that has them.

    image: gives the uint8 image of a slice. encoder: its name, for the cache's keys. predictor: embeds an image with
    all cores. beside: embeds one on a single core, callable in several threads; None where nothing does.
    at_once: how many of those calls, by all threads together. encodings: how often the encoder ran, likewise.
    """

    def __init__(
        self,
        image: Callable[[SliceKey], np.ndarray],
        encoder: str,
        predictor: Encoder,
        cache: EmbeddingCache,
        beside: Encode | None = None,
        at_once: int = 1,
    ) -> None:
        self.encodings = 0
        self._image, self._encoder, self._predictor, self._cache = image, encoder, predictor, cache
        self._beside, self.at_once = beside, at_once
        self._cores = threading.Semaphore(at_once)
        # How the thread that calls makes one, None for by the predictor; and who counts for all threads.
        self._encode: Encode | None = None
        self._first = self
        self._changed = threading.Condition()
        self._in_work: set[tuple[str, str]] = set()
        self._ahead: Ahead[SliceKey, np.ndarray] | None = None

    def for_another_thread(self) -> SliceEmbeddings:
        """Return the same embeddings for a thread of its own, which makes them on one core and has its own `ahead`."""
        other = copy.copy(self)
        other._encode, other._ahead = self._encode_beside, None
        return other

    def embed(self, key: SliceKey, image: np.ndarray | None = None) -> np.ndarray:
        """Embedding of a slice, float32 (1, C, grid, grid): remembered, encoded ahead, or made now.

        image: of the slice, where it is at hand.
        """
        if self._ahead is not None:
            return self._ahead.take(key, self._embed)
        return self._embed(key, image=image)

    @contextlib.contextmanager
    def ahead(self, keys: Sequence[SliceKey]) -> Iterator[None]:
        """Meanwhile, encode these slices side by side, a few beyond the one that `embed` was asked for last.

        keys: in the order in which they will be asked for. At the end, the encoder's runs in work are waited for.
        """
        if self.at_once < 2 or self._beside is None or len(keys) < 2:
            yield
            return
        outer = self._ahead
        with Ahead(self._embed_beside, keys, self.at_once) as self._ahead:
            try:
                yield
            finally:
                self._ahead = outer

    def key_of(self, image: np.ndarray) -> tuple[str, str]:
        """Digest of a slice image (its pixels hold voxels and window), and the encoder; never a place or file name."""
        pixels = hashlib.sha256(f"{image.shape}".encode() + image.tobytes())
        return pixels.hexdigest(), self._encoder

    def _embed_beside(self, key: SliceKey) -> np.ndarray:
        return self._embed(key, self._encode_beside)

    def _encode_beside(self, image: np.ndarray) -> np.ndarray:
        assert self._beside is not None, "who asks for more than one thread has looked"
        with self._cores:
            return self._beside(image)

    def _embed(self, key: SliceKey, encode: Encode | None = None, image: np.ndarray | None = None) -> np.ndarray:
        image = self._image(key) if image is None else image
        content = self.key_of(image)
        with self._changed:
            # While another thread encodes the same image: the cache has it then.
            while content in self._in_work:
                self._changed.wait()
            self._in_work.add(content)
        try:
            embedding = self._cache.get(content)
            if embedding is None:
                encode = encode or self._encode
                if encode is None:
                    self._predictor.set_image(image)
                made = self._predictor.get_image_embedding() if encode is None else encode(image)
                # Rounded as the cache rounds: a result must not depend on whether the cache still held the slice.
                embedding = made.astype(np.float16).astype(np.float32)
                self._cache.put(content, embedding)
                with self._changed:
                    self._first.encodings += 1
            return embedding
        finally:
            with self._changed:
                self._in_work.discard(content)
                self._changed.notify_all()
