from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from dfqsam_core.bench import start
from dfqsam_core.bench.benchmark import run_benchmark
from dfqsam_core.bench.start import measure_start
from dfqsam_core.errors import CheckpointError, ConfigError
from dfqsam_core.network.macs import encoder_macs
from dfqsam_core.progress import Cancelled, Progress
from dfqsam_core.runtime import model as session
from dfqsam_core.runtime.engines import choice as engine_choice
from dfqsam_core.runtime.engines.openvino import openvino_version
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy, float_toy


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "packed.safetensors", calibrated_toy())
    save_file(dict(float_toy().tensors), folder / "float.safetensors")
    return folder / "packed.safetensors", folder / "float.safetensors"


# Timed as well where it is installed.
OPENVINO = {"encoder, OpenVINO"} if openvino_version() else set()


def test_a_model_alone(files: tuple[Path, Path]) -> None:
    result = run_benchmark(files[0], threads=1, runs=2)
    assert json.loads(json.dumps(result)) == result
    assert (result["threads"], result["runs"], set(result["ratios"])) == (1, 2, OPENVINO)
    tasks = {"encoder", "decoder", "first click", "next click", "integer product"}
    assert set(result["timings"]["model"]) == tasks | OPENVINO
    assert result["integer_products"]["encoder_giga_macs"] == round(
        encoder_macs(calibrated_toy().architecture) / 1e9, 4
    )
    assert result["integer_products"]["encoder_share"] > 0
    assert "starts" not in result
    assert result["model"]["bytes"] == files[0].stat().st_size
    assert result["model"]["is_quantized"]
    assert result["machine"]["cpu"]


def test_a_model_beside_its_reference(files: tuple[Path, Path]) -> None:
    steps: list[Progress] = []
    result = run_benchmark(*files, threads=1, runs=2, progress=steps.append)
    assert set(result["ratios"]) - OPENVINO == {"encoder", "decoder", "first click", "next click"}
    assert set(result["timings"]["reference"]) == set(result["ratios"]) - OPENVINO
    assert all(ratio > 0 for clocks in result["ratios"].values() for ratio in clocks.values())
    assert [(step.stage, step.done, step.total) for step in steps][-1] == ("measure", 2, 2)


def test_the_median_is_not_below_the_minimum(files: tuple[Path, Path]) -> None:
    timings = run_benchmark(files[0], threads=1, runs=3)["timings"]["model"]
    for task in timings.values():
        assert 0 < task["wall_ms_min"] <= task["wall_ms"]
        assert 0 <= task["cpu_ms_min"] <= task["cpu_ms"]


def test_it_can_be_cancelled(files: tuple[Path, Path]) -> None:
    def cancel(step: Progress) -> None:
        if step.stage == "measure":
            raise Cancelled

    with pytest.raises(Cancelled):
        run_benchmark(files[0], threads=1, runs=2, progress=cancel)


def test_what_cannot_be_measured_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        run_benchmark(files[0], runs=0)
    with pytest.raises(CheckpointError, match="does not exist"):
        run_benchmark(tmp_path / "nothing.safetensors")


def test_more_threads_are_compared_with_one(files: tuple[Path, Path]) -> None:
    result = run_benchmark(files[0], threads=2, runs=1)
    assert set(result["ratios"]) == {"encoder, 1 thread"} | OPENVINO
    assert set(result["ratios"]) <= set(result["timings"]["model"])


def test_an_engine_that_is_left_out_is_not_timed(files: tuple[Path, Path]) -> None:
    assert run_benchmark(files[0], threads=1, runs=1, engines=["onnxruntime"])["ratios"] == {}


def test_the_measured_model_is_never_the_chosen_engine(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "_remembered", lambda *_: pytest.fail("the choice was asked for"))
    assert "encoder" in run_benchmark(files[0], threads=2, runs=1)["timings"]["model"]


def test_what_is_unpacked_is_kept_for_the_next_start(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "user_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(session, "_LEAST_CACHED_BYTES", 0)
    run_benchmark(files[0], threads=2, runs=1)
    assert list(tmp_path.iterdir())


def test_starts_are_measured_in_processes_of_their_own(files: tuple[Path, Path]) -> None:
    starts = measure_start(files[0], threads=1)
    assert set(starts) == {"first", "again"}
    for one in starts.values():
        assert one["ready_seconds"] > 0
        assert one["click_seconds"] > 0
        assert one["peak_bytes"] is None or one["peak_bytes"] > 10**6


def test_a_started_program_finds_this_package_where_it_is_not_installed(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import json, os, sys; json.dump(os.environ['PYTHONPATH'].split(os.pathsep)[0], sys.stdout)"
    monkeypatch.setattr(start, "_CODE", code)
    folder = Path(str(start._started(files[0], 1, str(tmp_path))))
    assert (folder / "dfqsam_core" / "__init__.py").is_file()
