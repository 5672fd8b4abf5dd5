"""Times a model beside its float reference: in one process and in turn, so that a busy machine slows both alike."""

from __future__ import annotations

import gc
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import ConfigError
from .progress import ProgressCallback, report
from .runtime import Model, SamPredictor, load_model, machine

# A CT slice of the usual size; speed does not depend on what it shows.
_SLICE_SHAPE = (512, 512)
_BOX_XYXY = (100, 120, 300, 280)

Task = Callable[[], Any]
# Whose task it is ("model" or "reference"), and its name.
Key = tuple[str, str]


class _Seconds(NamedTuple):
    wall: list[float]
    cpu: list[float]


def run_benchmark(
    model_path: str | os.PathLike[str],
    reference_path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    runs: int = 20,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Measure a model, and a reference where one is given; JSON-ready.

    threads: threads of every engine; None for one on each physical core. runs: timed repetitions of each task.
    `timings` holds medians and minima in milliseconds of wall and process CPU time of each task of "model" and
    "reference": "encoder" embeds one image, "first click" embeds a 512 x 512 slice and answers a box on it, "next
    click" answers another box on the same slice. A float reference also runs as published, with padding tokens computed
    ("encoder, padded"), and in torch, where that is installed, with them skipped ("encoder, torch").
    `ratios` says how many times longer a task of the reference took than the model's own: the median over the runs,
    each of which times all tasks one after the other.
    `memory` is measured before the reference is loaded; its peak is that of the whole process so far.
    Raises ConfigError for less than one run, ModelFileError or CheckpointError for files that cannot be used.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs measure nothing. Give at least 1.")
    report(progress, "load", 0, 2 if reference_path else 1, Path(model_path).name)
    model, about_model = _loaded(model_path, threads)
    tasks = {("model", name): task for name, task in _tasks(model).items()}
    tasks["model", "first click"]()
    result = {"machine": _machine(), "threads": model.threads, "runs": runs, "model": about_model, "memory": _memory()}
    if reference_path is not None:
        report(progress, "load", 1, 2, Path(reference_path).name)
        reference, result["reference"] = _loaded(reference_path, threads)
        extra = {} if reference.is_quantized else _float_tasks(reference_path, model.threads)
        tasks |= {("reference", name): task for name, task in (_tasks(reference) | extra).items()}
    seconds = _measure(tasks, runs, progress)
    return result | {"timings": _timings(seconds), "ratios": _ratios(seconds)}


def _loaded(path: str | os.PathLike[str], threads: int | None) -> tuple[Model, dict[str, Any]]:
    start = time.perf_counter()
    model = load_model(path, threads)
    return model, {
        "file_name": Path(path).name,
        "bytes": os.path.getsize(path),
        "sha256": model.digest,
        "architecture": model.architecture.name,
        "is_quantized": model.is_quantized,
        "load_seconds": round(time.perf_counter() - start, 3),
    }


def _tasks(model: Model) -> dict[str, Task]:
    slice_pixels = _random_image(*_SLICE_SHAPE)
    pixels = _random_image(model.image_size, model.image_size, 3)
    predictor, same_slice = SamPredictor(model), SamPredictor(model)
    same_slice.set_image(slice_pixels)

    def first_click() -> None:
        predictor.set_image(slice_pixels)
        predictor.predict(box=_BOX_XYXY)

    return {
        "encoder": lambda: model.encode(pixels),
        "first click": first_click,
        "next click": lambda: same_slice.predict(box=_BOX_XYXY),
    }


def _float_tasks(path: str | os.PathLike[str], threads: int) -> dict[str, Task]:
    """The encoder of a float checkpoint as published, and in torch where that is installed."""
    from .runtime.encoder_graph import build_encoder
    from .runtime.engine import create_session
    from .runtime.session import float_network
    from .store.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(path)
    network = float_network(checkpoint.architecture, checkpoint.tensors)
    pixels = _random_image(1, network.architecture.image_size, network.architecture.image_size, 3)
    session = create_session(build_encoder(network, skip_pads=False), threads)
    tasks = {"encoder, padded": lambda: session.run(None, {"pixels": pixels})}
    if importlib.util.find_spec("torch") is not None:
        tasks["encoder, torch"] = _torch_task(checkpoint, pixels, threads)
    machine.release_memory()
    return tasks


def _torch_task(checkpoint: Any, pixels: np.ndarray, threads: int) -> Task:
    import torch

    from .model.sam_med2d import SamMed2D

    torch.set_num_threads(threads)
    network = SamMed2D.from_checkpoint(checkpoint)
    image = network.normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())

    def encode() -> None:
        with torch.inference_mode():
            network.image_encoder(image)

    return encode


def _measure(tasks: dict[Key, Task], runs: int, progress: ProgressCallback | None) -> dict[Key, _Seconds]:
    seconds = {key: _Seconds([], []) for key in tasks}
    for task in tasks.values():
        task()
    for run in range(runs):
        report(progress, "measure", run, runs)
        for key, task in tasks.items():
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            task()
            seconds[key].wall.append(time.perf_counter() - wall)
            seconds[key].cpu.append(time.process_time() - cpu)
    report(progress, "measure", runs, runs)
    return seconds


def _timings(seconds: dict[Key, _Seconds]) -> dict[str, dict[str, dict[str, float]]]:
    timings: dict[str, dict[str, dict[str, float]]] = {}
    for (whose, task), taken in seconds.items():
        timings.setdefault(whose, {})[task] = {
            "wall_ms": _milliseconds(statistics.median(taken.wall)),
            "wall_ms_min": _milliseconds(min(taken.wall)),
            "cpu_ms": _milliseconds(statistics.median(taken.cpu)),
            "cpu_ms_min": _milliseconds(min(taken.cpu)),
        }
    return timings


def _ratios(seconds: dict[Key, _Seconds]) -> dict[str, dict[str, float]]:
    """Reference over model, run by run; a variant such as "encoder, padded" is compared with the plain task."""
    ratios = {}
    for (whose, task), reference in seconds.items():
        if whose == "reference":
            model = seconds["model", task.split(",")[0]]
            clocks = {"wall": (reference.wall, model.wall), "cpu": (reference.cpu, model.cpu)}
            ratios[task] = {clock: _median_ratio(*pair) for clock, pair in clocks.items()}
    return ratios


def _median_ratio(reference: list[float], model: list[float]) -> float:
    # A clock that ticks coarsely can give 0 for a short task.
    return round(statistics.median(r / max(m, 1e-6) for r, m in zip(reference, model, strict=True)), 2)


def _machine() -> dict[str, Any]:
    return {
        "cpu": machine.cpu_name(),
        "instruction_set": machine.instruction_set(),
        "physical_cores": machine.physical_cores(),
    }


def _memory() -> dict[str, int | None]:
    return {"resident_bytes": machine.resident_memory_bytes(), "peak_bytes": machine.peak_memory_bytes()}


def _random_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)
