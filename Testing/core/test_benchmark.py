from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from dfqsam_core.bench import benchmark
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
    expected = {"encoder", "decoder", "first click", "next click", "encoder, padded", "encoder, dynamic int8"}
    assert expected <= set(result["ratios"]) - OPENVINO <= expected | {"encoder, torch", "decoder, torch"}
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


def test_a_pose_times_only_the_engine_that_poses(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "is_posing", lambda: True)
    assert run_benchmark(files[0], threads=1, runs=1)["ratios"] == {}


def test_the_measured_model_is_never_the_chosen_engine(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "_remembered", lambda *_: pytest.fail("the choice was asked for"))
    assert "encoder" in run_benchmark(files[0], threads=2, runs=1)["timings"]["model"]


@pytest.mark.parametrize("posing", [True, False])
def test_what_a_posing_program_unpacks_is_not_kept_for_this_processor(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posing: bool
) -> None:
    monkeypatch.setattr(session, "user_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(session, "_LEAST_CACHED_BYTES", 0)
    monkeypatch.setattr(benchmark, "is_posing", lambda: posing)
    run_benchmark(files[0], threads=2, runs=1)
    assert bool(list(tmp_path.iterdir())) is not posing


def test_starts_are_measured_in_processes_of_their_own(files: tuple[Path, Path]) -> None:
    starts = measure_start(files[0], threads=1)
    assert set(starts) == {"first", "again"}
    for start in starts.values():
        assert start["ready_seconds"] > 0
        assert start["click_seconds"] > 0
        assert start["peak_bytes"] is None or start["peak_bytes"] > 10**6


def test_the_references_compute_the_same_embedding(files: tuple[Path, Path]) -> None:
    torch = pytest.importorskip("torch")
    from dfqsam_core.model.published import published_form
    from dfqsam_core.model.sam_med2d import SamMed2D
    from dfqsam_core.store.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(files[1])
    ours, published = SamMed2D.from_checkpoint(checkpoint), published_form(checkpoint)
    image = torch.linspace(-2, 2, 3 * 64 * 64).reshape(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(published.image_encoder(image), ours.image_encoder(image), rtol=1e-4, atol=1e-4)
