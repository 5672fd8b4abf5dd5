"""Chooses the engine of a model's encoder by measuring both on this machine, once."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..progress import ProgressCallback, report
from ..runtime import load_model
from ..runtime.engines.choice import ENGINES, remember_engine
from .benchmark import Key, Task, measure_tasks, median_ratio, random_pixels, timings_of

# Less than this is not worth the memory.
_LEAST_GAIN = 1.05
# Codes that flip where floats round another way leave more than this; a kernel that is wrong does not.
_LEAST_CORRELATION = 0.99


def choose_engine(
    model_path: str | os.PathLike[str],
    threads: int | None = None,
    runs: int = 20,
    progress: ProgressCallback | None = None,
    conventions: str | None = None,
) -> dict[str, Any]:
    """Time a model's encoder on both engines in turn and remember the faster one for `load_model`; JSON-ready.

    threads, conventions: as `load_model` has them. The choice holds for the same number of threads alone.
    `timings`: of each engine, as `run_benchmark` gives those of a task; beside them `load_seconds`. `gain`: how many
    times longer onnxruntime took than OpenVINO in wall time, the median over the runs. `correlation`: of both
    embeddings of one image. `engine` is "openvino" for a gain of 1.05 and a correlation of 0.99 or more, else
    "onnxruntime".
    Raises ConfigError for less than one run and where OpenVINO is not installed, OutputError where the choice cannot be
    written, and what `load_model` raises.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs measure nothing. Give at least 1.")
    report(progress, "load", 0, 1, os.path.basename(model_path))
    models, load_seconds = {}, {}
    # OpenVINO first: it may be missing.
    for engine in reversed(ENGINES):
        start = time.perf_counter()
        models[engine] = load_model(model_path, threads, engine=engine, conventions=conventions)
        load_seconds[engine] = round(time.perf_counter() - start, 3)
    plain = models["onnxruntime"]
    pixels = random_pixels(plain)
    tasks: dict[Key, Task] = {("encoder", engine): partial(models[engine].encode, pixels) for engine in ENGINES}
    seconds = measure_tasks(tasks, runs, progress)
    gain = median_ratio(*(seconds["encoder", engine].wall for engine in ENGINES))
    correlation = float(np.corrcoef([models[engine].encode(pixels).ravel() for engine in ENGINES])[0, 1])
    is_better = gain >= _LEAST_GAIN and correlation >= _LEAST_CORRELATION
    choice = {
        "engine": "openvino" if is_better else "onnxruntime",
        "threads": plain.threads,
        "gain": gain,
        "correlation": round(correlation, 5),
        "timings": timings_of(seconds)["encoder"],
        "load_seconds": load_seconds,
    }
    remember_engine(plain.digest, plain.threads, choice)
    return choice
