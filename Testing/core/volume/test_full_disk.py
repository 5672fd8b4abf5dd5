"""On a disk that fills up, and whenever a writer is killed, there is the old file or the whole new one."""

from __future__ import annotations

import itertools
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.cli.console import write_json
from dfqsam_core.errors import OutputError
from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume import (
    PointPrompt,
    SliceKey,
    Volume,
    VolumeGeometry,
    VolumeSession,
    read_volume,
    save_session,
    write_label_map,
)
from dfqsam_core.volume.batch.record import write_record
from Testing.support.dicom_series import write_series
from Testing.support.packed import packed_toy

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor

SUFFIXES = [".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mha"]
Write = Callable[[], None]
WriteValue = Callable[[int], None]


def bytes_allowed(size: int, write: Write) -> bool:
    """Whether `write` succeeds where no file may grow beyond `size` bytes, as on a disk with that much left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        write()
    except OutputError:
        return False
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return True


def old_or_new_at_every_size(path: Path, write: Write, most: int = 200) -> None:
    """Write again over a good file with every amount of room for it, or `most` amounts spread over a large one."""
    old = path.read_bytes()
    write()
    new = path.read_bytes()
    assert new != old
    for size in sorted({*np.linspace(0, len(new), min(most, len(new) + 1)).astype(int).tolist(), len(new) - 1}):
        path.write_bytes(old)
        done = bytes_allowed(size, write)
        assert path.read_bytes() == (new if done else old), size
        assert done == (size >= len(new)), size
        assert [found.name for found in path.parent.iterdir() if found.name.startswith(".partial")] == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_label_map_is_the_old_one_or_the_whole_new_one(a_volume: Volume, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    write_label_map(path, np.zeros(a_volume.voxels_kji.shape, int), a_volume)
    labels = np.random.default_rng(0).integers(0, 9, a_volume.voxels_kji.shape)
    old_or_new_at_every_size(path, lambda: write_label_map(path, labels, a_volume, {1: "liver"}, force=True))
    np.testing.assert_array_equal(read_volume(path).voxels_kji, labels)


def test_a_report_and_a_model_are_the_old_one_or_the_whole_new_one(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    write_json(report, {"old": 1})
    old_or_new_at_every_size(report, lambda: write_json(report, {"new": list(range(40))}, force=True))
    (tmp_path / "m").mkdir()
    model = tmp_path / "m" / "m.safetensors"
    model.write_bytes(b"old")
    packed = packed_toy()
    old_or_new_at_every_size(model, lambda: write_model(model, packed, force=True), most=10)


def test_a_saved_session_is_the_old_one_or_the_whole_new_one(a_volume: Volume, tmp_path: Path) -> None:
    session = VolumeSession(a_volume, MODEL, BYTE_WINDOW, predictor=GreyPredictor())
    path = tmp_path / "session.json"
    save_session(path, session)
    session.add_segment(1, "block")
    session.add_prompt(1, PointPrompt((1, 1, 1)))
    old_or_new_at_every_size(path, lambda: save_session(path, session, force=True))


def test_a_dicom_seg_is_the_old_one_or_the_whole_new_one(tmp_path: Path) -> None:
    """Each has its own UIDs, so that the new one is told by being read."""
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    write_series(tmp_path / "s")
    volume = read_volume(tmp_path / "s")
    path = tmp_path / "labels.dcm"
    labels = np.ones(volume.voxels_kji.shape, int)
    write_label_map(path, labels, volume)
    outcomes = set()
    for size in np.linspace(0, path.stat().st_size + 100, 8).astype(int).tolist():
        path.write_bytes(b"old")
        done = bytes_allowed(size, lambda: write_label_map(path, labels, volume, force=True))
        outcomes.add(done)
        assert done or path.read_bytes() == b"old"
        assert not done or len(pydicom.dcmread(path).SegmentSequence) == 1
    assert outcomes == {True, False}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    volume = Volume(np.zeros((6, 40, 40)), VolumeGeometry(np.eye(4), (40, 40, 6)))

    def write(value: int) -> None:
        write_label_map(path, random_labels(value), volume, force=True)

    write(0)
    for killed_after in range(1, 8):
        done = written_until_killed(write, killed_after)
        found = read_volume(path).voxels_kji
        assert any(np.array_equal(found, random_labels(value)) for value in (done, done + 1))


def _report(path: Path) -> WriteValue:
    return lambda value: write_json(path, {"value": value, "rest": list(range(5000))}, force=True)


def _record(path: Path) -> WriteValue:
    return lambda value: write_record(path, {"value": value}, Path(__file__), {"rest": list(range(5000))}, force=True)


def _model(path: Path) -> WriteValue:
    models = [packed_toy(seed) for seed in range(2)]
    return lambda value: write_model(path, models[value % 2], force=True)


def _session(path: Path) -> WriteValue:
    volume = Volume(np.arange(1000.0).reshape(10, 10, 10), VolumeGeometry(np.eye(4), (10, 10, 10)))
    session = VolumeSession(volume, MODEL, BYTE_WINDOW, predictor=GreyPredictor())
    session.add_segment(1, "block")

    def write(value: int) -> None:
        session.set_prompts(1, SliceKey("K", 1), (PointPrompt((value % 10, 1, 1)),))
        save_session(path, session, force=True)

    return write


@pytest.mark.parametrize("writer", [_report, _record, _model, _session], ids=lambda writer: writer.__name__)
def test_every_other_writer_that_is_killed_leaves_a_whole_file(
    tmp_path: Path, writer: Callable[[Path], WriteValue]
) -> None:
    """The file is byte for byte one that the same writer makes in peace."""
    path, peaceful = tmp_path / "out", tmp_path / "peaceful"
    peaceful.mkdir()
    writer(path)(0)
    written = writer(peaceful / "out")
    name = next(found.name for found in tmp_path.iterdir() if found.is_file())
    for killed_after in (1, 2, 3, 5, 8):
        done = written_until_killed(writer(path), killed_after)
        whole = []
        for value in (done, done + 1):
            written(value)
            whole.append((peaceful / name).read_bytes())
        assert (tmp_path / name).read_bytes() in whole


def random_labels(value: int) -> np.ndarray:
    return np.random.default_rng(value).integers(0, 200, (6, 40, 40))


def written_until_killed(write: Callable[[int], None], killed_after: int) -> int:
    """Let another process write 1, 2, 3... over each other, kill it, and return the last one it told of."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for value in itertools.count(1):
                write(value)
                os.write(writing, bytes([value % 256]))
        finally:
            os._exit(1)
    os.close(writing)
    told = b"".join(os.read(reading, 1) for _ in range(killed_after))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told += os.read(reading, 256)
    os.close(reading)
    return len(told)
