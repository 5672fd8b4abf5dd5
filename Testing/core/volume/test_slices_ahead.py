"""Slices side by side: the same masks by any number of encoders, each slice encoded once, ended in good time."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.base.machine import release_memory
from dfqsam_core.progress import Cancelled, Progress
from dfqsam_core.runtime import EmbeddingCache, Model, SamPredictor, load_model
from dfqsam_core.runtime.engines.unpacked_cache import UnpackedCache
from dfqsam_core.store.model_file import write_model
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from dfqsam_core.volume import (
    BoxPrompt,
    PointPrompt,
    SegmentPrompts,
    SliceKey,
    Volume,
    VolumeGeometry,
    VolumeSession,
    propagate,
    segment_volume,
)
from dfqsam_core.volume.extent import Extent
from dfqsam_core.volume.prompts import Propagation
from dfqsam_core.volume.session.propagation import PropagationConfig, ways
from dfqsam_core.volume.session.propagation.stack import Stack
from dfqsam_core.volume.session.propagation.ways import ways_from
from dfqsam_core.volume.session.slice_embeddings import SliceEmbeddings
from Testing.support.finished import PATIENCE_SECONDS
from Testing.support.packed import packed_toy
from Testing.support.packed_toy import calibrated_toy, float_toy

SLICES = 9
# A network with random weights is no judge of its masks.
ANYTHING = PropagationConfig(min_predicted_iou=0, min_overlap=0, max_area_ratio=1e6, min_stability=0)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ahead") / "toy.safetensors"
    write_model(path, calibrated_toy())
    return path


@pytest.fixture(scope="module")
def volume() -> Volume:
    voxels = np.random.default_rng(0).integers(0, 256, (SLICES, 40, 40)).astype(np.int16)
    voxels[:, 10:30, 8:30] += 300
    return Volume(voxels, VolumeGeometry(np.eye(4), voxels.shape[::-1]))


class Shown:
    """A predictor that embeds by a function."""

    def __init__(self, encode):
        self.encode = encode

    def set_image(self, image: np.ndarray) -> None:
        self.image = image

    def get_image_embedding(self) -> np.ndarray:
        return self.encode(self.image)


def a_session(volume: Volume, model: Model) -> VolumeSession:
    session = VolumeSession(volume, model, "700,300", cache=EmbeddingCache())
    session.add_segment(1, "block")
    session.add_prompt(1, BoxPrompt((8, 10, 3), (29, 29, 3)))
    session.add_prompt(1, PointPrompt((20, 20, 6)))
    return session


@pytest.mark.parametrize("encoders", [2, 3])
@pytest.mark.parametrize("side_by_side", [False, True])
def test_masks_are_the_same_bit_for_bit(volume: Volume, model_file: Path, encoders: int, side_by_side: bool) -> None:
    prompts = [
        SegmentPrompts("block", 1, (BoxPrompt((8, 10, 3), (29, 29, 3)), PointPrompt((20, 20, 6)))),
        SegmentPrompts("all", 2, (BoxPrompt((2, 3, 4), (30, 29, 4)),), Propagation(0, SLICES - 1, "K")),
    ]
    several = load_model(model_file, encoders, side_by_side=side_by_side)
    results = [
        segment_volume(volume, prompts, model, propagation=ANYTHING) for model in (load_model(model_file, 1), several)
    ]
    assert len(results[0].report["slices"]) > 3
    np.testing.assert_array_equal(results[0].labels_kji, results[1].labels_kji)
    without_time = [[row | {"seconds": None} for row in result.report["slices"]] for result in results]
    assert without_time[0] == without_time[1]
    assert results[0].report["encodings"] == results[1].report["encodings"]


def test_the_order_is_that_in_which_a_propagation_asks(volume: Volume, model_file: Path) -> None:
    session, asked = a_session(volume, load_model(model_file, 1)), []
    order = [index for way in ways_from([3, 6], 1, 8, Extent("K")) for index in way.indices]

    def note(progress: Progress) -> None:
        asked.extend([int(progress.message.split()[-1])] if progress.message else [])

    propagate(session, 1, "K", 1, 8, ANYTHING, note)
    assert order == asked == [2, 1, 7, 8, 4, 5]


def test_every_slice_is_encoded_once_on_one_thread_each(volume: Volume, model_file: Path) -> None:
    session = a_session(volume, load_model(model_file, 2))
    propagate(session, 1, "K", 0, SLICES - 1, ANYTHING)
    assert session.slices.encodings == SLICES


def test_a_cancelled_propagation_leaves_no_thread(volume: Volume, model_file: Path) -> None:
    session = a_session(volume, load_model(model_file, 2))

    def cancel(progress: Progress) -> None:
        # Neither of the two ways from the prompts has come to its end by then, so that between them is not begun.
        if progress.done > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        propagate(session, 1, "K", 0, SLICES - 1, ANYTHING, cancel)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dfqsam-")]
    assert session.slices.encodings <= SLICES - 2
    assert session.slices_of(1) == [SliceKey("K", 3), SliceKey("K", 6)]


def test_ways_that_do_not_need_each_other_are_gone_at_once(volume: Volume, model_file: Path) -> None:
    both, begun, outwards = threading.Barrier(2, timeout=PATIENCE_SECONDS), [], ways.outwards

    def wait_for_the_other(*arguments):
        both.wait()
        begun.append(threading.current_thread())
        return outwards(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "outwards", wait_for_the_other)
        session = a_session(volume, load_model(model_file, 2))
        stops = propagate(session, 1, "K", 0, SLICES - 1, ANYTHING).stops
    assert len(set(begun)) == 2
    assert [(stop.direction, stop.last_index) for stop in stops] == [(-1, 0), (1, SLICES - 1)]


def test_where_one_way_fails_the_others_end_and_its_error_is_raised(volume: Volume, model_file: Path) -> None:
    other_goes, given_up, reported = threading.Event(), threading.Event(), []
    outwards, give_up = ways.outwards, Stack.give_up

    def fail_downwards(stack, seed, reach, direction, end):
        if direction < 0:
            assert other_goes.wait(PATIENCE_SECONDS)
            raise MemoryError("no room for a slice")
        return outwards(stack, seed, reach, direction, end)

    def note(progress: Progress) -> None:
        reported.append(progress.message)
        other_goes.set()
        assert given_up.wait(PATIENCE_SECONDS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "outwards", fail_downwards)
        patch.setattr(Stack, "give_up", lambda stack: (give_up(stack), given_up.set()))
        session = a_session(volume, load_model(model_file, 2))
        with pytest.raises(MemoryError, match="no room"):
            propagate(session, 1, "K", 0, SLICES - 1, ANYTHING, note)
    assert len(reported) == 1
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dfqsam-")]
    assert session.slices_of(1) == [SliceKey("K", 3), SliceKey("K", 6)]


def test_never_are_more_slices_encoded_at_once_than_there_are_cores(volume: Volume, model_file: Path) -> None:
    session, encode, lock = a_session(volume, load_model(model_file, 2)), SamPredictor.embed, threading.Lock()
    now, most = [0], [0]

    def counted(predictor: SamPredictor, image: np.ndarray) -> np.ndarray:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        embedding = encode(predictor, image)
        with lock:
            now[0] -= 1
        return embedding

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SamPredictor, "embed", counted)
        propagate(session, 1, "K", 0, SLICES - 1, ANYTHING)
    assert most == [2]


def test_the_other_planes_of_a_thorough_propagation_are_encoded_side_by_side(volume: Volume, model_file: Path) -> None:
    session, embed, axes = a_session(volume, load_model(model_file, 2)), SliceEmbeddings._embed_beside, []

    def note(embeddings: SliceEmbeddings, key: SliceKey) -> np.ndarray:
        axes.append(key.axis)
        return embed(embeddings, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SliceEmbeddings, "_embed_beside", note)
        propagate(session, 1, "K", 2, 5, replace(ANYTHING, thorough=True))
    alone = a_session(volume, load_model(model_file, 1))
    propagate(alone, 1, "K", 2, 5, replace(ANYTHING, thorough=True))
    assert {"I", "J"} <= set(axes)
    np.testing.assert_array_equal(session.labels_kji, alone.labels_kji)


def test_two_who_want_the_same_image_at_once_get_it_encoded_once() -> None:
    both, embeddings = threading.Barrier(2), []

    def image(key: SliceKey) -> np.ndarray:
        both.wait(60)
        return np.zeros((4, 4), np.uint8)

    slices = SliceEmbeddings(image, "an encoder", Shown(lambda image: image[None] + np.float32(0.3)), EmbeddingCache())
    threads = [
        threading.Thread(target=lambda index=index: embeddings.append(slices.embed(SliceKey("K", index))))
        for index in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slices.encodings == 1
    np.testing.assert_array_equal(embeddings[0], embeddings[1])


def test_an_encoder_that_fails_leaves_the_slice_to_others() -> None:
    def encode(image: np.ndarray) -> np.ndarray:
        raise RuntimeError("out of memory")

    slices = SliceEmbeddings(lambda key: np.zeros((4, 4), np.uint8), "an encoder", Shown(encode), EmbeddingCache())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            slices.embed(SliceKey("K", 0))
    assert slices.encodings == 0


def test_one_thread_models_are_made_of_the_same_file_once(model_file: Path) -> None:
    model = load_model(model_file, 3, encoders=2)
    pixels = np.zeros((64, 64, 3), np.uint8)
    beside = model.side_by_side()
    assert (beside.threads, beside.encoders, beside.digest) == (1, 2, model.digest)
    assert model.side_by_side() is beside is beside.side_by_side()
    np.testing.assert_array_equal(beside.encode(pixels), model.encode(pixels))


def test_a_network_that_would_be_in_memory_twice_has_one_encoder(tmp_path: Path) -> None:
    path = tmp_path / "float.safetensors"
    save_file(dict(float_toy().tensors), path)
    assert load_model(path, 2).encoders == 1
    several = load_model(path, 2, side_by_side=True)
    assert (several.threads, several.encoders) == (1, 2)
    assert several.side_by_side() is several


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_one_more_encoder_maps_the_same_pages(tmp_path: Path) -> None:
    def private_bytes() -> int:
        release_memory()
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])

    path, pixels = tmp_path / "compact.safetensors", np.zeros((256, 256, 3), np.uint8)
    write_model(path, packed_toy(architecture=NAMED_ARCHITECTURES["compact"]))
    grown = []
    for cache in (UnpackedCache(tmp_path / "cache"), None):
        model = load_model(path, 2, cache)
        embedding, before = model.encode(pixels), private_bytes()
        np.testing.assert_array_equal(model.side_by_side().encode(pixels), embedding)
        grown.append(private_bytes() - before)
    # The weights have 17 MB; what else an engine keeps of a graph is the same in both.
    assert grown[1] - grown[0] > 12e6


def test_without_the_files_of_the_cache_the_model_goes_on_alone(tmp_path: Path, model_file: Path) -> None:
    model = load_model(model_file, 2, UnpackedCache(tmp_path / "cache"))
    assert model.encoders == 2
    shutil.rmtree(tmp_path / "cache")
    assert model.side_by_side() is model
    assert model.encode(np.zeros((64, 64, 3), np.uint8)).shape == (1, 256, 4, 4)
