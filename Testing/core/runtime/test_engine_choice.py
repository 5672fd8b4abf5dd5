from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.bench import engines as benchmark_engines
from dfqsam_core.bench.benchmark import Seconds
from dfqsam_core.bench.engines import choose_engine
from dfqsam_core.errors import ConfigError, OutputError
from dfqsam_core.runtime import load_model
from dfqsam_core.runtime.engines import choice as engine_choice
from dfqsam_core.runtime.engines.choice import remember_engine, resolve_engine
from dfqsam_core.runtime.engines.openvino import OpenVinoEncoder, openvino_version
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy

from .conftest import WITHOUT_OPENVINO

DIGEST = "ab" * 32
needs_openvino = pytest.mark.skipif(openvino_version() is None, reason=WITHOUT_OPENVINO)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user, on a machine with OpenVINO."""
    found = tmp_path / "cache"
    monkeypatch.setattr(engine_choice, "user_cache_folder", lambda: found)
    monkeypatch.setattr(engine_choice, "openvino_version", lambda: "2026.4.1")
    return found


@pytest.fixture(scope="module")
def packed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "toy.safetensors"
    write_model(path, calibrated_toy())
    return path


def test_without_a_measurement_it_is_onnxruntime(folder: Path) -> None:
    assert resolve_engine("chosen", DIGEST, 1) == "onnxruntime"
    assert not folder.exists()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_choice_is_remembered(folder: Path, engine: str) -> None:
    path = remember_engine(DIGEST, 1, {"engine": engine})
    assert list(folder.iterdir()) == [path]
    assert resolve_engine("chosen", DIGEST, 1) == engine
    path.unlink()
    assert resolve_engine("chosen", DIGEST, 1) == "onnxruntime"


def test_a_later_choice_replaces_an_earlier_one(folder: Path) -> None:
    for engine in ("openvino", "onnxruntime", "openvino"):
        remember_engine(DIGEST, 1, {"engine": engine})
    assert (resolve_engine("chosen", DIGEST, 1), len(list(folder.iterdir()))) == ("openvino", 1)


@pytest.mark.parametrize(
    "change",
    [
        ("dfqsam_core.runtime.engines.start.engine_version", lambda: "onnxruntime 99"),
        ("dfqsam_core.base.machine.cpu_fingerprint", lambda: "another processor"),
        ("dfqsam_core.runtime.engines.choice.openvino_version", lambda: "2099.1"),
        ("dfqsam_core.runtime.engines.choice.openvino_version", lambda: None),
    ],
    ids=["onnxruntime", "processor", "OpenVINO", "OpenVINO is gone"],
)
def test_a_choice_holds_for_what_was_measured(folder: Path, monkeypatch: pytest.MonkeyPatch, change) -> None:
    remember_engine(DIGEST, 2, {"engine": "openvino"})
    assert resolve_engine("chosen", DIGEST, 2) == "openvino"
    assert resolve_engine("chosen", DIGEST, 1) == "onnxruntime"
    assert resolve_engine("chosen", "cd" * 32, 2) == "onnxruntime"
    # The same checkpoint by other conventions is another network.
    assert resolve_engine("chosen", f"{DIGEST}-medsam", 2) == "onnxruntime"
    monkeypatch.setattr(*change)
    assert resolve_engine("chosen", DIGEST, 2) == "onnxruntime"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"1", b"{}", b'{"engine": "another"}', b'{"engine": []}', b"\xff\xfe", b"[" * 10**6]
)
def test_a_damaged_choice_counts_as_absent(folder: Path, content: bytes) -> None:
    remember_engine(DIGEST, 1, {"engine": "openvino"}).write_bytes(content)
    assert resolve_engine("chosen", DIGEST, 1) == "onnxruntime"


def test_a_choice_that_cannot_be_kept_is_an_error_in_words(folder: Path) -> None:
    folder.write_text("a file in the place of the folder")
    with pytest.raises(OutputError, match="cannot be made"):
        remember_engine(DIGEST, 1, {"engine": "openvino"})
    assert resolve_engine("chosen", DIGEST, 1) == "onnxruntime"


def test_an_engine_that_was_asked_for_needs_no_measurement(folder: Path) -> None:
    assert resolve_engine("openvino", DIGEST, 1) == "openvino"
    remember_engine(DIGEST, 1, {"engine": "openvino"})
    assert resolve_engine("onnxruntime", DIGEST, 1) == "onnxruntime"


def test_an_engine_that_is_not_there_is_refused(
    folder: Path, packed_file: Path, float_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "openvino_version", lambda: None)
    for path in (packed_file, float_file):
        assert load_model(path, threads=1).engine == "onnxruntime"
        with pytest.raises(ConfigError, match=r"pip install '\S*\[openvino\]'"):
            load_model(path, threads=1, engine="openvino")
        with pytest.raises(ConfigError, match="no engine 'tensorrt'"):
            load_model(path, threads=1, engine="tensorrt")


@needs_openvino
@pytest.mark.parametrize(("gain", "engine"), [(1.05, "openvino"), (1.04, "onnxruntime"), (0.6, "onnxruntime")])
def test_the_faster_engine_is_chosen(
    folder: Path, packed_file: Path, monkeypatch: pytest.MonkeyPatch, gain: float, engine: str
) -> None:
    monkeypatch.setattr(benchmark_engines, "median_ratio", lambda *_: gain)
    assert load_model(packed_file, threads=1).engine == "onnxruntime"
    choice = choose_engine(packed_file, threads=1, runs=1)
    assert (choice["engine"], choice["gain"], choice["threads"]) == (engine, gain, 1)
    assert choice["correlation"] > 0.99
    assert set(choice["timings"]) == set(choice["load_seconds"]) == {"onnxruntime", "openvino"}
    assert all(taken["wall_ms"] > 0 for taken in choice["timings"].values())
    assert load_model(packed_file, threads=1).engine == engine


@needs_openvino
def test_the_gain_is_what_onnxruntime_took_longer(
    folder: Path, packed_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(tasks, *_):
        assert set(tasks) == {("encoder", "onnxruntime"), ("encoder", "openvino")}
        times = {"onnxruntime": [3.0, 4.0, 9.0], "openvino": [2.0, 2.0, 3.0]}
        return {key: Seconds(times[key[1]], times[key[1]]) for key in tasks}

    monkeypatch.setattr(benchmark_engines, "measure_tasks", measured)
    choice = choose_engine(packed_file, threads=1)
    assert (choice["engine"], choice["gain"]) == ("openvino", 2.0)
    assert choice["timings"]["onnxruntime"]["wall_ms"] == 4000


@needs_openvino
def test_an_engine_that_computes_something_else_is_not_chosen(
    folder: Path, packed_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 256, 4, 4)).astype(np.float32)
    monkeypatch.setattr(OpenVinoEncoder, "__call__", lambda self, pixels: noise)
    monkeypatch.setattr(benchmark_engines, "median_ratio", lambda *_: 3.0)
    choice = choose_engine(packed_file, threads=1, runs=1)
    assert (choice["engine"], choice["correlation"] < 0.5) == ("onnxruntime", True)


def test_a_measurement_without_runs_or_engine_is_refused(
    folder: Path, packed_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        choose_engine(packed_file, runs=0)
    monkeypatch.setattr(engine_choice, "openvino_version", lambda: None)
    with pytest.raises(ConfigError, match="pip install"):
        choose_engine(packed_file, threads=1)
    assert not folder.exists()
