"""A packed model for 1024-pixel images beside the float network as published and as exported, timed in turn."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dfqsam_core.base import machine
from dfqsam_core.bench.benchmark import (
    Key,
    Task,
    measure_tasks,
    median_ratio,
    random_pixels,
    timings_of,
)
from dfqsam_core.bench.start import BOX_XYXY, SLICE_SHAPE, measure_start
from dfqsam_core.cli.bars import progress_bars
from dfqsam_core.network.attention_layout import WindowGroup
from dfqsam_core.runtime import Model, SamPredictor, load_model
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.attention import AttentionWriter
from dfqsam_core.runtime.graph.encoder import EncoderWriter, build_encoder_part
from dfqsam_core.runtime.graph.layer_writer import LayerWriter
from dfqsam_core.runtime.graph.onnx_builder import GraphBuilder
from dfqsam_core.runtime.model import float_network
from dfqsam_core.store.checkpoint import Checkpoint, read_checkpoint
from dfqsam_core.store.model_file import StoredModel, read_model

from .published import published_form

EAGER, EXPORTED, PARTS = (
    "torch float32 eager",
    "onnxruntime float32 as exported",
    "onnxruntime float32 in parts as ours",
)
GLOBAL, WINDOWED = "global block", "windowed block"


def large(path: str, reference: str, runs: int, threads: int) -> dict[str, Any]:
    """Medians of CPU and wall time of one slice and of a further click on it, and how many times longer others take.

    path: a packed model; reference: the float checkpoint that it was made from. "global block" and "windowed block" are
    one of each. `starts`: of processes that load the model and click once, with the peak of their memory.
    """
    model = load_model(path, threads)
    checkpoint = read_checkpoint(reference, model.conventions.name)
    pixels, load = random_pixels(model), machine.load_average()
    own = {"slice": lambda: model.encode(pixels), "next click": _click(model)} | _blocks(read_model(path), threads)
    tasks: dict[Key, Task] = {("model", name): task for name, task in own.items()}
    tasks |= {("reference", name): task for name, task in _references(checkpoint, threads, pixels).items()}
    with progress_bars() as progress:
        seconds = measure_tasks(tasks, runs, progress)
    ours = seconds["model", "slice"]
    ratios = {
        name: {"cpu": median_ratio(taken.cpu, ours.cpu), "wall": median_ratio(taken.wall, ours.wall)}
        for (whose, name), taken in seconds.items()
        if whose == "reference"
    }
    about = {"cpu": machine.cpu_name(), "instruction_set": machine.instruction_set(), "load": load}
    return {
        "machine": about | {"physical_cores": machine.physical_cores()},
        "model": {"name": model.architecture.name, "bytes": os.path.getsize(path)} | model.architecture.to_dict(),
        "reference_bytes": os.path.getsize(reference),
        "threads": threads,
        "runs": runs,
        "timings": timings_of(seconds),
        "ratios": ratios,
        "starts": measure_start(path, threads),
    }


def _blocks(model: StoredModel, threads: int) -> dict[str, Task]:
    """The last global block before the neck's part and the last windowed one, on random tokens."""
    a = model.architecture
    tokens = np.random.default_rng(0).standard_normal((a.grid**2, a.embed_dim), np.float32)

    def task(block: int) -> Task:
        session = create_session(build_encoder_part(model, block, block + 1), threads)
        return lambda: session.run(None, {"tokens": tokens})

    inner = range(1, a.depth - 1)
    blocks = {name: [b for b in inner if (a.window_of(b) == 0) == (name == GLOBAL)] for name in (GLOBAL, WINDOWED)}
    return {name: task(numbers[-1]) for name, numbers in blocks.items()}


def _click(model: Model) -> Task:
    predictor = SamPredictor(model)
    predictor.set_image(np.random.default_rng(0).integers(0, 256, SLICE_SHAPE, dtype=np.uint8))
    return lambda: predictor.predict(box=np.array(BOX_XYXY))


def _references(checkpoint: Checkpoint, threads: int, pixels: np.ndarray) -> dict[str, Task]:
    whole, parts = (_session(checkpoint, threads, kind) for kind in (_ExportedEncoder, EncoderWriter))
    return {
        EAGER: _eager(checkpoint, threads, pixels),
        EXPORTED: lambda: whole.run(None, {"pixels": pixels[None]}),
        PARTS: lambda: parts.run(None, {"pixels": pixels[None]}),
    }


class _ExportedAttention(AttentionWriter):
    """All queries at once with positions added, as the exported graph of segment-anything has them."""

    @property
    def joins_positions(self) -> bool:
        """Never."""
        return False

    def chunks(self, group: WindowGroup) -> list[slice]:
        """One."""
        return [slice(0, group.queries)]


class _ExportedEncoder(EncoderWriter):
    """It skips padding, which is in its favour."""

    attention = _ExportedAttention


def _session(checkpoint: Checkpoint, threads: int, kind: type[EncoderWriter]) -> Any:
    network = float_network(checkpoint.architecture, checkpoint.tensors, checkpoint.conventions)
    graph = kind(LayerWriter(GraphBuilder(), network)).write(0, checkpoint.architecture.depth)
    return create_session(graph, threads)


def _eager(checkpoint: Checkpoint, threads: int, pixels: np.ndarray) -> Callable[[], None]:
    torch.set_num_threads(threads)
    network = published_form(checkpoint)
    image = network.normalize(torch.from_numpy(pixels[None]).permute(0, 3, 1, 2).float())

    def encode() -> None:
        with torch.inference_mode():
            network.image_encoder(image)

    return encode
