"""Times a model beside its float reference: in one process and in turn, so that a busy machine slows both alike."""

from __future__ import annotations

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base import machine
from ..errors import ConfigError
from ..network.macs import encoder_macs
from ..progress import ProgressCallback, report
from ..runtime import Model, SamPredictor, load_model
from ..runtime.engines.choice import ENGINES, Engine
from ..runtime.engines.openvino import openvino_version
from ..runtime.preprocess import network_pixels
from ..store.file_identity import FileSource
from ..store.model_checks import check_reference
from .compare import machine_facts
from .counts import count_file
from .start import BOX_XYXY, SLICE_SHAPE, measure_start

# Rows, inner size and columns of the integer product whose rate the encoder is held against: ViT-B's lin1 at 256
# pixels, in cache. It measures the machine, so it is the same for every model.
_PRODUCT_SHAPE = (256, 768, 3072)
# Other ways to run the model's own encoder.
ENCODER_VARIANTS = ("encoder, 1 thread", "encoder, OpenVINO")
_BOX_CORNERS = np.array([[2, 3]])

Task = Callable[[], Any]
# Whose task it is, such as "model" or "reference", and its name.
Key = tuple[str, str]


class Seconds(NamedTuple):
    """Times of each run of a task, by two clocks."""

    wall: list[float]
    cpu: list[float]


def run_benchmark(
    model_path: str | os.PathLike[str],
    reference_path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    runs: int = 20,
    progress: ProgressCallback | None = None,
    starts: bool = False,
    engines: Sequence[Engine] = ENGINES,
    rivals: Callable[[Model], dict[str, Task]] | None = None,
    conventions: str | None = None,
) -> dict[str, Any]:
    """Measure a model, and a reference where one is given; JSON-ready.

    threads: threads of every engine; None for one on each physical core. runs: timed repetitions of each task. starts:
    measure processes of their own as well, whose time to the first click and peak memory become `starts`. engines: what
    the encoder is timed on. rivals: more tasks of the reference for the loaded model. conventions: as of `load_model`.
    `timings` holds medians and minima in milliseconds of wall and process CPU time of each task of "model" and
    "reference": "encoder" embeds one image, "decoder" answers a box on an embedding, "first click" embeds a 512 x 512
    slice and answers a box on it, "next click" answers another box on the same slice; all on onnxruntime. The model's
    "encoder, 1 thread" is timed as well, with more threads than one, and "encoder, OpenVINO" where that is installed.
    `ratios` says how many times longer a task of the reference, or such a variant, took than the model's own: the
    median over the runs, each of which times all tasks one after the other.
    `integer_products`: see `integer_rates`; the product is one of 8-bit integers with both sides in cache.
    `memory` is that of this process before the reference is loaded. `counts`: see `encoder_counts`.
    Raises ConfigError for less than one run and for a model made from the reference with other conventions than that is
    run by, ModelFileError or CheckpointError for files that cannot be used.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs measure nothing. Give at least 1.")
    report(progress, "load", 0, 2 if reference_path else 1, Path(model_path).name)
    model, about_model = _loaded(model_path, threads, conventions)
    tasks = {("model", name): task for name, task in _tasks(model).items()}
    tasks["model", "first click"]()
    about = {"machine": machine_facts(), "threads": model.threads, "runs": runs}
    result: dict[str, Any] = about | {"model": about_model, "memory": _memory()}
    if starts:
        result["starts"] = measure_start(model_path, model.threads, conventions)
    tasks["model", "integer product"] = _integer_product(model.threads)
    tasks |= _encoder_variants(model_path, model.threads, engines, conventions)
    if reference_path is not None:
        report(progress, "load", 1, 2, Path(reference_path).name)
        reference, result["reference"] = _loaded(reference_path, threads, conventions)
        check_reference(model.card, reference.digest, reference.conventions)
        theirs = _tasks(reference) | (rivals(model) if rivals else {})
        tasks |= {("reference", name): task for name, task in theirs.items()}
    seconds = measure_tasks(tasks, runs, progress)
    return result | _measured(model, seconds) | {"counts": count_file(model_path, conventions)}


def _measured(model: Model, seconds: dict[Key, Seconds]) -> dict[str, Any]:
    timings = timings_of(seconds)
    rates = integer_rates(encoder_macs(model.architecture) / 1e9, timings["model"])
    return {"timings": timings, "ratios": _ratios(seconds), "integer_products": rates}


def _loaded(
    path: str | os.PathLike[str], threads: int | None, conventions: str | None, engine: Engine = "onnxruntime"
) -> tuple[Model, dict[str, Any]]:
    start = time.perf_counter()
    model = load_model(path, threads, engine=engine, conventions=conventions)
    return model, {
        "file_name": Path(path).name,
        "bytes": os.path.getsize(path),
        "sha256": FileSource.of(Path(path)).sha256,
        "architecture": model.architecture.name,
        "conventions": model.conventions.name,
        "is_quantized": model.is_quantized,
        "load_seconds": round(time.perf_counter() - start, 3),
    }


def _tasks(model: Model) -> dict[str, Task]:
    slice_pixels, pixels = _random_image(*SLICE_SHAPE), random_pixels(model)
    corners = network_box(model).reshape(1, 2, 2)
    predictor, same_slice = SamPredictor(model), SamPredictor(model)
    same_slice.set_image(slice_pixels)
    embedding = same_slice.get_image_embedding()

    def first_click() -> None:
        predictor.set_image(slice_pixels)
        predictor.predict(box=BOX_XYXY)

    return {
        "encoder": lambda: model.encode(pixels),
        "decoder": lambda: model.decode(embedding, corners, _BOX_CORNERS),
        "first click": first_click,
        "next click": lambda: same_slice.predict(box=BOX_XYXY),
    }


def _encoder_variants(
    path: str | os.PathLike[str], threads: int, engines: Sequence[Engine], conventions: str | None
) -> dict[Key, Task]:
    models = {"encoder, 1 thread": _loaded(path, 1, conventions)[0]} if threads > 1 else {}
    if "openvino" in engines and openvino_version() is not None:
        models["encoder, OpenVINO"] = _loaded(path, threads, conventions, "openvino")[0]
    return {("model", name): partial(model.encode, random_pixels(model)) for name, model in models.items()}


def _integer_product(threads: int) -> Task:
    from ..runtime.engines.onnxruntime import create_session
    from ..runtime.graph.onnx_builder import GraphBuilder

    rows, inner, columns = _PRODUCT_SHAPE
    graph, random = GraphBuilder(), np.random.default_rng(0)
    x = graph.input("x", np.uint8, (rows, inner))
    graph.output("y", graph.op("MatMulInteger", x, graph.weight(random.integers(-15, 16, (inner, columns), np.int8))))
    session, codes = create_session(graph.finish(), threads), random.integers(0, 16, (rows, inner), np.uint8)
    return lambda: session.run(None, {"x": codes})


def integer_rates(giga_macs: float, timings: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return one core's rates in its own time, from the median CPU times of "encoder" and "integer product".

    giga_macs: multiplications of the encoder in billions; each counts as two operations, with its addition.
    """
    product = 2 * math.prod(_PRODUCT_SHAPE) / 1e6 / max(timings["integer product"]["cpu_ms"], 1e-6)
    encoder = 2000 * giga_macs / max(timings["encoder"]["cpu_ms"], 1e-6)
    return {
        "encoder_giga_macs": round(giga_macs, 4),
        "product_giga_operations_per_second": round(product, 1),
        "encoder_giga_operations_per_second": round(encoder, 1),
        "encoder_share": round(encoder / product, 3),
    }


def measure_tasks(tasks: dict[Key, Task], runs: int, progress: ProgressCallback | None) -> dict[Key, Seconds]:
    """Run all tasks one after the other, `runs` times, after a first time that does not count."""
    seconds = {key: Seconds([], []) for key in tasks}
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


def timings_of(seconds: dict[Key, Seconds]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians and minima in milliseconds by whose task it is, task and clock."""
    timings: dict[str, dict[str, dict[str, float]]] = {}
    for (whose, task), taken in seconds.items():
        timings.setdefault(whose, {})[task] = {
            "wall_ms": _milliseconds(statistics.median(taken.wall)),
            "wall_ms_min": _milliseconds(min(taken.wall)),
            "cpu_ms": _milliseconds(statistics.median(taken.cpu)),
            "cpu_ms_min": _milliseconds(min(taken.cpu)),
        }
    return timings


def _ratios(seconds: dict[Key, Seconds]) -> dict[str, dict[str, float]]:
    """Reference over model, run by run; a variant such as "encoder, padded" is compared with the plain task."""
    ratios = {}
    for (whose, task), reference in seconds.items():
        if whose == "reference" or task in ENCODER_VARIANTS:
            model = seconds["model", task.split(",")[0]]
            clocks = {"wall": (reference.wall, model.wall), "cpu": (reference.cpu, model.cpu)}
            ratios[task] = {clock: median_ratio(*pair) for clock, pair in clocks.items()}
    return ratios


def median_ratio(reference: list[float], model: list[float]) -> float:
    """The median of `reference` over `model`, run by run."""
    # A clock that ticks coarsely can give 0 for a short task.
    return round(statistics.median(r / max(m, 1e-6) for r, m in zip(reference, model, strict=True)), 2)


def _memory() -> dict[str, int | None]:
    return {"resident_bytes": machine.resident_memory_bytes(), "peak_bytes": machine.peak_memory_bytes()}


def random_pixels(model: Model) -> np.ndarray:
    """An image of noise (S, S, 3), as the encoder of `model` takes it."""
    noise = _random_image(model.image_size, model.image_size, 3)
    return network_pixels(noise, model.image_size, model.conventions.channel_order, model.conventions)


def network_box(model: Model) -> np.ndarray:
    """A box, float32 (4,) xyxy in pixels of such an image."""
    return np.array([0.2, 0.25, 0.6, 0.55], np.float32) * model.image_size


def _random_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)
