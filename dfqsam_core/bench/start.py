"""How long a program needs until the first click, and how much memory it takes: measured in processes of their own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# A CT slice of the usual size; speed does not depend on what it shows.
SLICE_SHAPE = (512, 512)
BOX_XYXY = (100, 120, 300, 280)
_RUNS = 3
_CODE = "from dfqsam_core.bench.start import click_once; click_once()"


def measure_start(
    model_path: str | os.PathLike[str], threads: int, conventions: str | None = None
) -> dict[str, dict[str, float | None]]:
    """Start a program that loads the model and answers a click: "first" without a cache, then "again" with it.

    Each has `ready_seconds`, from a Python without any package to a model that can be clicked, `ready_cpu_seconds` of
    CPU time for that and the start of Python, `click_seconds` of the first click, and `peak_bytes`, None where the
    system does not tell. "again" is the median of three starts.
    """
    with tempfile.TemporaryDirectory(prefix="dfqsam-bench-") as folder:
        first = _started(model_path, threads, folder, conventions)
        again = [_started(model_path, threads, folder, conventions) for _ in range(_RUNS)]
    return {"first": first, "again": {key: _median([run[key] for run in again]) for key in first}}


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _started(
    model_path: str | os.PathLike[str], threads: int, folder: str, conventions: str | None = None
) -> dict[str, float | None]:
    order = {"model": os.path.abspath(model_path), "threads": threads, "cache": folder, "conventions": conventions}
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = os.environ | {"PYTHONPATH": paths}
    command = [sys.executable, "-c", _CODE, json.dumps(order)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=environment)
    return json.loads(done.stdout)


def click_once() -> None:
    """Load the model that the last argument names, click once, print what it took."""
    import time

    order, start = json.loads(sys.argv[-1]), time.perf_counter()
    import numpy as np

    from ..base import machine
    from ..runtime import SamPredictor, load_model
    from ..runtime.engines.unpacked_cache import UnpackedCache

    cache = UnpackedCache(Path(order["cache"]))
    asked = order["conventions"]
    predictor = SamPredictor(load_model(order["model"], order["threads"], cache, "onnxruntime", conventions=asked))
    ready, ready_cpu = time.perf_counter(), time.process_time()
    predictor.set_image(np.random.default_rng(0).integers(0, 256, SLICE_SHAPE, dtype=np.uint8))
    predictor.predict(box=BOX_XYXY)
    result: dict[str, Any] = {
        "ready_seconds": ready - start,
        "ready_cpu_seconds": ready_cpu,
        "click_seconds": time.perf_counter() - ready,
    }
    sys.stdout.write(json.dumps(result | {"peak_bytes": machine.peak_memory_bytes()}))
