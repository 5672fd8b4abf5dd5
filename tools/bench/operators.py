"""Where the encoder's time goes, operator by operator, and what batches of slices do to it; on one core."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.base import machine
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.runtime.engines import onnxruntime as engine
from dfqsam_core.runtime.graph.encoder import build_encoder_part
from dfqsam_core.runtime.graph.onnx_builder import CONTRIB, GraphBuilder
from dfqsam_core.store.model_file import StoredModel, read_model

_BATCHES = (1, 2, 4)
_CODE, _SCALE = np.uint8(8), np.float32(0.3)


def operators(path: str, runs: int) -> dict[str, Any]:
    """Milliseconds of a slice by operator of the whole encoder, best quarter of `runs`; and see `batches`."""
    model = read_model(path)
    milliseconds: dict[str, float] = defaultdict(float)
    nodes: dict[str, int] = defaultdict(int)
    for block in range(model.architecture.depth):
        for name, taken in _profile(model, block, runs):
            milliseconds[name] += taken
            nodes[name] += 1
    rows = [
        {"operator": name, "nodes": nodes[name], "ms": round(taken, 3)}
        for name, taken in sorted(milliseconds.items(), key=lambda item: -item[1])
    ]
    about = {"cpu": machine.cpu_name(), "load": machine.load_average(), "architecture": model.architecture.name}
    return about | {"operators": rows, "batches": batches(model.architecture, runs)}


def batches(architecture: Architecture, runs: int) -> list[dict[str, float]]:
    """CPU milliseconds a slice of integer products alone, and of MLPs with all around them, by slices in one call.

    Every block has weights of its own, so that they come from memory as they do in an encoder.
    """
    parts = {"products_ms": _products, "mlp_ms": _mlps}
    tasks = {(part, count): build(architecture, count) for part, build in parts.items() for count in _BATCHES}
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in tasks}
    for _ in range(runs + 1):
        for key, task in tasks.items():
            start = time.process_time()
            task()
            seconds[key].append(time.process_time() - start)
    return [
        {"slices": count}
        | {part: round(1e3 * statistics.median(seconds[part, count][1:]) / count, 3) for part in parts}
        for count in _BATCHES
    ]


def _profile(model: StoredModel, block: int, runs: int) -> list[tuple[str, float]]:
    """Operator and milliseconds of every node of one block."""
    with tempfile.TemporaryDirectory() as folder:
        options = engine._options(threads=1)
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"
        session = engine._session(build_encoder_part(model, block, block + 1), options)
        (given,) = session.get_inputs()
        random = np.random.default_rng(0)
        is_image = given.type == "tensor(uint8)"
        values = random.integers(0, 256, given.shape, np.uint8) if is_image else random.standard_normal(given.shape)
        for _ in range(runs):
            session.run(None, {given.name: values if is_image else values.astype(np.float32)})
        events = json.loads(Path(session.end_profiling()).read_text())
    microseconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            microseconds[event["name"], event["args"]["op_name"]].append(event["dur"])
    return [(name, sorted(taken)[len(taken) // 4] / 1e3) for (_, name), taken in microseconds.items()]


def _products(architecture: Architecture, slices: int) -> Callable[[], Any]:
    """Blocks of the integer products of an encoder, without anything between them."""
    width, mlp = architecture.embed_dim, architecture.mlp_dim
    shapes = [(1, width, width)] * 4 + [(1, width, mlp), (1, mlp, width)]
    if architecture.has_adapters:
        shapes += [(4, 9 * width, width)] + [(4, 4 * width, width)] * 4
    graph, given = GraphBuilder(), {}
    for block in range(architecture.depth // 2):
        for number, (fewer, inner, columns) in enumerate(shapes):
            name, rows = f"x_{fewer}_{inner}", slices * architecture.grid**2 // fewer
            if name not in given:
                given[name] = np.random.default_rng(0).integers(0, 16, (rows, inner), np.uint8)
                graph.input(name, np.uint8, (rows, inner))
            # Read in part alone, or keeping it would be measured.
            graph.output(f"y_{block}_{number}", graph.slice(_product(graph, name, inner, columns), 0, 1, axis=0))
    session = engine.create_session(graph.finish(), 1)
    return lambda: session.run(None, given)


def _mlps(architecture: Architecture, slices: int) -> Callable[[], Any]:
    """LayerNorm, codes, lin1, GELU, codes, lin2, addition: the MLPs of an encoder, one behind the other."""
    graph, width, mlp = GraphBuilder(), architecture.embed_dim, architecture.mlp_dim
    rows = slices * architecture.grid**2
    x = graph.input("x", np.float32, (rows, width))
    ones, zeros = (graph.constant(np.full(width, value, np.float32)) for value in (1, 0))
    for _ in range(architecture.depth):
        normed = graph.op("LayerNormalization", x, ones, zeros, axis=-1, epsilon=1e-6)
        hidden = graph.op("Gelu", _product(graph, _codes(graph, normed), width, mlp))
        x = graph.op("Add", x, _product(graph, _codes(graph, hidden), mlp, width))
    graph.output("y", x)
    session = engine.create_session(graph.finish(), 1)
    given = {"x": np.random.default_rng(0).standard_normal((rows, width), np.float32)}
    return lambda: session.run(None, given)


def _codes(graph: GraphBuilder, value: str) -> str:
    codes = graph.op("QuantizeLinear", value, graph.constant(_SCALE), graph.constant(_CODE))
    return graph.op("Clip", codes, graph.constant(np.uint8(0)), graph.constant(np.uint8(15)))


def _product(graph: GraphBuilder, codes: str, inner: int, columns: int) -> str:
    weight = graph.weight(np.random.default_rng(1).integers(-15, 16, (inner, columns), np.int8))
    scales, bias = (graph.constant(np.full(columns, value, np.float32)) for value in (0.003, 0.1))
    scale, zero = graph.constant(_SCALE), graph.constant(_CODE)
    return graph.op("MatMulIntegerToFloat", codes, weight, scale, scales, zero, None, bias, domain=CONTRIB)
