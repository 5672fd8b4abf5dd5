"""Rows a second of a table on a local dask cluster, beside one process and beside the processes of `dfqsam batch`."""

from __future__ import annotations

import csv
import json
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from dfqsam_core.base import machine
from dfqsam_core.runtime import load_model
from dfqsam_core.volume.batch.row import BatchWork, RowResult
from dfqsam_core.volume.batch.run import run_batch
from dfqsam_core.volume.batch.table import BatchRow, read_table

# Of a volume: small enough that forty take a minute, and most of the time is the encoder's.
_SHAPE_IJK = (256, 256, 12)
_PROMPTED = range(1, 11, 3)


def cluster(path: str, rows: int, workers: int) -> dict[str, Any]:
    """Seconds and rows a second of one process, of `workers` processes, and of `workers` of a dask cluster.

    Each way does the whole table twice: the first time every worker loads the model, the second time on a dask cluster
    it has it already. `worker_bytes`: resident memory of each dask worker afterwards; pages of the unpacked weights'
    file are counted in each, and are in memory once. `row_bytes`, `work_bytes`: what is sent for a row.
    """
    from distributed import Client, LocalCluster

    ways: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = read_table(_write_table(folder, rows))
        work = BatchWork(path, "0" * 64)
        sent = {"row_bytes": len(pickle.dumps(table[0])), "work_bytes": len(pickle.dumps(work))}
        start = time.perf_counter()
        load_model(path, 1)
        load_seconds = round(time.perf_counter() - start, 3)
        ways["one process"] = _timed(table, lambda: run_batch(table, path, workers=1, force=True))
        ways[f"{workers} processes"] = _timed(table, lambda: run_batch(table, path, workers=workers, force=True))
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as local,
            Client(local) as client,
        ):
            for run in ("first", "again"):
                there = _timed(table, lambda: run_batch(table, path, scheduler=local.scheduler_address, force=True))
                ways[f"dask, {workers} workers, {run}"] = there
            memory = sorted(client.run(machine.resident_memory_bytes).values())
    about = {"cpu": machine.cpu_name(), "load": machine.load_average(), "rows": rows, "model": Path(path).name}
    return about | sent | {"load_seconds": load_seconds, "ways": ways, "worker_bytes": memory}


def _timed(table: tuple[BatchRow, ...], run: Callable[[], list[RowResult]]) -> dict[str, float]:
    for row in table:
        for made in row.output.parent.glob(f"{row.output.name}*"):
            made.unlink()
    start = time.perf_counter()
    results = run()
    seconds = time.perf_counter() - start
    failed = [result.reason for result in results if result.status != "done"]
    if failed:
        raise RuntimeError(failed[0])
    busy = sum(result.seconds for result in results)
    return {
        "seconds": round(seconds, 2),
        "rows_per_second": round(len(table) / seconds, 3),
        "row_seconds": round(busy, 2),
    }


def _write_table(folder: Path, rows: int) -> Path:
    """Volumes of noise with a bright column, boxes on every third slice, and the table that names them."""
    i, j, _ = np.ogrid[: _SHAPE_IJK[0], : _SHAPE_IJK[1], :1]
    column = np.where((i - 120) ** 2 + (j - 128) ** 2 < 45**2, np.int16(150), np.int16(0))
    boxes = [{"type": "box", "corners": [[75, 83, k], [165, 173, k]], "axis": "K"} for k in _PROMPTED]
    segment = {"name": "column", "label": 1, "prompts": boxes}
    (folder / "p.json").write_text(json.dumps({"coordinate_system": "IJK", "segments": [segment]}))
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["volume", "prompts", "output"])
        for number in range(rows):
            voxels = np.random.default_rng(number).integers(-60, 60, _SHAPE_IJK, dtype=np.int16) + column
            nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.8, 0.8, 5, 1])), folder / f"{number}.nii")
            writer.writerow([f"{number}.nii", "p.json", f"{number}_labels.nii.gz"])
    return folder / "table.csv"
