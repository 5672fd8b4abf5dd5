"""Slices a second of a propagation: on one core, with all cores on each slice, and with a slice on each core."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.base import machine
from dfqsam_core.runtime import EmbeddingCache, Model, SamPredictor, load_model
from dfqsam_core.volume.geometry import VolumeGeometry
from dfqsam_core.volume.prompts import BoxPrompt
from dfqsam_core.volume.session.propagation import PropagationConfig, propagate
from dfqsam_core.volume.session.session import VolumeSession
from dfqsam_core.volume.slices import SliceKey
from dfqsam_core.volume.volume import Volume

# Never refuses a mask: how far a random model carries one says nothing, how fast it does says all.
WITHOUT_STOPS = PropagationConfig(
    min_predicted_iou=0, min_overlap=0, max_area_ratio=1e6, min_stability=0, min_likeness=0
)
_EMBED = """
import json, sys
import numpy as np
from dfqsam_core.base.machine import peak_memory_bytes
from dfqsam_core.runtime import SamPredictor, load_model
from dfqsam_core.runtime.ahead import Ahead

encoders = int(sys.argv[2])
model = load_model(sys.argv[1], encoders, side_by_side=True)
images = np.random.default_rng(0).integers(0, 256, (4 * encoders, 512, 512), dtype=np.uint8)
predictor = SamPredictor(model)
with Ahead(lambda number: predictor.embed(images[number]), range(len(images)), encoders) as ahead:
    for number, image in enumerate(images):
        predictor.set_image_embedding(ahead.take(number, lambda number: predictor.embed(images[number])), image.shape)
        predictor.predict(box=(100, 120, 300, 280))
print(json.dumps(peak_memory_bytes()))
"""
ONE_CORE, EACH_SLICE, SIDE_BY_SIDE = "one core", "all cores on each slice", "a slice on each core"


def side_by_side(path: str, cores: int | None, slices: int, runs: int) -> dict[str, Any]:
    """Each way in turn, `runs` times: medians of slices a second and of CPU seconds a slice; `share` of an ideal.

    share: the median over the runs of the rate over `cores` times the rate of one core in the same run.
    encoder_seconds: CPU seconds of one slice's embedding on one core; the rest are the decoder's and the mask's.
    peak_bytes, one_encoder_peak_bytes: of a process that loads the model and embeds slices, nothing else.
    Raises ValueError where the ways do not give the same masks, and where a mask ends before the volume does.
    """
    cores = cores or machine.physical_cores()
    alone, together = (answering_with_a_disc(load_model(path, threads)) for threads in (1, cores))
    # The pool's model is made before the clock runs.
    answering_with_a_disc(together.side_by_side())
    ways = {ONE_CORE: (alone, False), EACH_SLICE: (together, False), SIDE_BY_SIDE: (together, True)}
    volume = ball_volume(slices)
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    masks = None
    for run in range(runs + 1):
        for way, (model, is_pooled) in ways.items():
            wall, cpu, found = _propagation(model, volume, is_pooled)
            if masks is not None and not np.array_equal(masks, found):
                raise ValueError(f"{way}: other masks than on one core.")
            masks = found
            # The first run warms up.
            taken[way] += [(wall / slices, cpu / slices)] if run else []
    rates = {way: _rates(seconds, taken[ONE_CORE], cores) for way, seconds in taken.items()}
    encoder = statistics.median(_embeddings(alone, volume) for _ in range(runs))
    about = {"cpu": machine.cpu_name(), "load": machine.load_average(), "architecture": alone.architecture.name}
    asked = {"cores": cores, "slices": slices, "runs": runs}
    peaks = {"peak_bytes": _peak_bytes(path, cores), "one_encoder_peak_bytes": _peak_bytes(path, 1)}
    return about | asked | peaks | {"encoder_seconds": round(encoder, 5), "ways": rates}


def answering_with_a_disc(model: Model) -> Model:
    """The same model, whose decoder runs as ever but answers with a disc, as an organ's mask might be.

    Random weights answer with specks all over the slice: what comes after costs more on them than on any organ.
    """
    decode, side = model.decode, model.mask_size
    y, x = np.mgrid[:side, :side] / side
    disc = np.where(np.hypot(y - 0.5, x - 0.47) < 0.16, np.float32(8), np.float32(-8))

    def answer(*arguments: Any, **named: Any) -> tuple[np.ndarray, np.ndarray]:
        low_res_masks, iou_predictions = decode(*arguments, **named)
        return np.broadcast_to(disc, low_res_masks.shape).copy(), np.full_like(iou_predictions, 0.9)

    model.decode = answer  # type: ignore[method-assign]
    return model


def ball_volume(slices: int) -> Volume:
    """Noise with a bright ball, int16 (slices, 512, 512) like a CT."""
    k, j, i = np.ogrid[:slices, :512, :512]
    ball = ((k - slices / 2) / slices * 3) ** 2 + ((j - 256) / 90) ** 2 + ((i - 240) / 90) ** 2 < 1
    voxels = np.random.default_rng(0).integers(-60, 60, (slices, 512, 512), dtype=np.int16)
    voxels += np.where(ball, np.int16(150), np.int16(0))
    return Volume(voxels, VolumeGeometry(np.diag([0.8, 0.8, 2.0, 1.0]), (512, 512, slices)), "CT")


def _propagation(model: Model, volume: Volume, is_pooled: bool) -> tuple[float, float, np.ndarray]:
    """Seconds by the wall and of CPU time of one box carried through the volume, and the label map."""
    depth, middle = volume.voxels_kji.shape[0], volume.voxels_kji.shape[0] // 2
    # A predictor of its own may have no place for a second slice, so none is encoded ahead.
    predictor = None if is_pooled else SamPredictor(model)
    session = VolumeSession(volume, model, cache=EmbeddingCache(), predictor=predictor)
    session.add_segment(1, "ball")
    wall, cpu = time.perf_counter(), time.process_time()
    session.add_prompt(1, BoxPrompt((180, 200, middle), (300, 310, middle)))
    stops = propagate(session, 1, "K", 0, depth - 1, WITHOUT_STOPS).stops
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if [stop.last_index for stop in stops] != [0, depth - 1]:
        raise ValueError(f"The propagation ended early, so its slices were not many: {stops}.")
    return wall, cpu, np.packbits([session.mask(1, SliceKey("K", index)) for index in range(depth)])


def _embeddings(model: Model, volume: Volume) -> float:
    """CPU seconds a slice."""
    slices, count = VolumeSession(volume, model).slices, volume.voxels_kji.shape[0]
    start = time.process_time()
    for index in range(count):
        slices.embed(SliceKey("K", index))
    return (time.process_time() - start) / count


def _peak_bytes(path: str, encoders: int) -> int | None:
    command = [sys.executable, "-c", _EMBED, path, str(encoders)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _rates(taken: list[tuple[float, float]], alone: list[tuple[float, float]], cores: int) -> dict[str, float]:
    shares = [one[0] / mine[0] / cores for mine, one in zip(taken, alone, strict=True)]
    return {
        "slices_per_second": round(1 / statistics.median(wall for wall, _ in taken), 2),
        "cpu_seconds_per_slice": round(statistics.median(cpu for _, cpu in taken), 5),
        "share": round(statistics.median(shares), 3),
        "best_share": round(min(one for one, _ in alone) / min(mine for mine, _ in taken) / cores, 3),
    }
