from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.errors import ConfigError
from dfqsam_core.runtime import EmbeddingCache

SLICE_BYTES = 2 * 8


def embedding(value: float) -> np.ndarray:
    """Eight values: 16 bytes as float16."""
    return np.full((1, 2, 2, 2), value, np.float32)


def test_an_embedding_comes_back_rounded_to_half_precision() -> None:
    cache = EmbeddingCache()
    cache.put("a", embedding(1.0001))
    stored = cache.get("a")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, np.float16(1.0001))


def test_what_was_never_put_is_none() -> None:
    assert EmbeddingCache().get("a") is None


def test_the_least_recently_used_is_forgotten_first() -> None:
    cache = EmbeddingCache(max_bytes=2 * SLICE_BYTES)
    cache.put("old", embedding(1))
    cache.put("new", embedding(2))
    cache.get("old")
    cache.put("newest", embedding(3))
    assert [key for key in ("old", "new", "newest") if cache.get(key) is not None] == ["old", "newest"]


def test_putting_again_replaces() -> None:
    cache = EmbeddingCache()
    cache.put("a", embedding(1))
    cache.put("a", embedding(2))
    assert (len(cache), cache.bytes) == (1, SLICE_BYTES)
    assert cache.get("a").max() == 2


def test_changing_a_result_does_not_change_the_cache() -> None:
    cache, given = EmbeddingCache(), embedding(1)
    cache.put("a", given)
    given[:] = 5
    cache.get("a")[:] = 6
    np.testing.assert_array_equal(cache.get("a"), embedding(1))


def test_a_cache_of_nothing_forgets_everything() -> None:
    cache = EmbeddingCache(max_bytes=SLICE_BYTES - 1)
    cache.put("a", embedding(1))
    assert (len(cache), cache.bytes, cache.get("a")) == (0, 0, None)
    with pytest.raises(ConfigError):
        EmbeddingCache(max_bytes=-1)


def test_clearing_forgets_everything() -> None:
    cache = EmbeddingCache()
    cache.put("a", embedding(1))
    cache.clear()
    assert (len(cache), cache.bytes, cache.get("a")) == (0, 0, None)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans())), st.integers(0, 6))
def test_the_bound_holds_after_every_step(steps: list[tuple[int, bool]], slices: int) -> None:
    cache = EmbeddingCache(max_bytes=slices * SLICE_BYTES)
    for key, put in steps:
        if put:
            cache.put(key, embedding(key))
        else:
            found = cache.get(key)
            assert found is None or found.max() == key
        assert cache.bytes == len(cache) * SLICE_BYTES <= cache.max_bytes


def test_threads_can_share_it() -> None:
    cache = EmbeddingCache(max_bytes=5 * SLICE_BYTES)

    def work(offset: int) -> None:
        for step in range(200):
            cache.put((step + offset) % 9, embedding(step))
            cache.get(step % 9)

    workers = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert cache.bytes == len(cache) * SLICE_BYTES == 5 * SLICE_BYTES
