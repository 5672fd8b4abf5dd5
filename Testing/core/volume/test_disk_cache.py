from __future__ import annotations

import numpy as np
import pytest

from dfqsam_core.volume import PointPrompt, VolumeSession
from dfqsam_core.volume.disk_cache import DiskEmbeddingCache

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor


def embedding(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 4, 3, 3)).astype(np.float32)


def test_another_program_finds_the_embeddings(a_volume, tmp_path):
    masks = []
    for expected in (1, 0):
        predictor = GreyPredictor()
        session = VolumeSession(a_volume, MODEL, BYTE_WINDOW, cache=DiskEmbeddingCache(tmp_path), predictor=predictor)
        session.add_segment(1, "x")
        masks.append(session.add_prompt(1, PointPrompt((3, 2, 1))).after)
        assert len(predictor.encoded) == expected
    np.testing.assert_array_equal(*masks)


def test_a_file_gives_what_memory_gives(tmp_path):
    cache = DiskEmbeddingCache(tmp_path)
    cache.put("a", embedding(0))
    np.testing.assert_array_equal(DiskEmbeddingCache(tmp_path).get("a"), cache.get("a"))
    assert DiskEmbeddingCache(tmp_path).get("b") is None


def test_the_folder_stays_below_its_size_and_other_files_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    cache = DiskEmbeddingCache(tmp_path, max_disk_bytes=500, max_bytes=0)
    for seed in range(9):
        cache.put(seed, embedding(seed))
    files = list(tmp_path.glob("*.safetensors"))
    assert 1 <= sum(path.stat().st_size for path in files) <= 500
    assert (tmp_path / "mine.txt").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == len(files) + 1
    assert cache.get(8) is not None
    assert cache.get(0) is None


@pytest.mark.parametrize("content", [b"", b"x" * 50, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_file_counts_as_absent_and_is_replaced(tmp_path, content):
    DiskEmbeddingCache(tmp_path).put("a", embedding(0))
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    cache = DiskEmbeddingCache(tmp_path)
    assert cache.get("a") is None
    cache.put("a", embedding(0))
    assert DiskEmbeddingCache(tmp_path).get("a") is not None


@pytest.mark.parametrize("place", [-1, -20, -70])
def test_a_flipped_bit_makes_a_file_absent(tmp_path, place):
    DiskEmbeddingCache(tmp_path).put("a", embedding(0))
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert DiskEmbeddingCache(tmp_path).get("a") is None


def test_another_keys_file_and_a_link_are_absent(tmp_path):
    cache = DiskEmbeddingCache(tmp_path / "a")
    cache.put("a", embedding(0))
    (path,) = (tmp_path / "a").iterdir()
    other = DiskEmbeddingCache(tmp_path / "b")
    other.put("b", embedding(1))
    (place,) = (tmp_path / "b").iterdir()
    place.write_bytes(path.read_bytes())
    assert DiskEmbeddingCache(tmp_path / "b").get("b") is None
    moved = path.rename(tmp_path / "moved.safetensors")
    path.symlink_to(moved)
    assert DiskEmbeddingCache(tmp_path / "a").get("a") is None
