"""onnxruntime sessions with the settings that a desktop program needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph.onnx_builder import InferenceGraph

_SETTINGS = {
    # Idle threads that spin would take the cores from everything else in the program.
    "session.intra_op.allow_spinning": "0",
    # The graph spells its integer products out; rewriting quantizers around float products only costs time.
    "session.disable_quant_qdq": "1",
}
# Many times slower on a CPU than the addition and the LayerNorm that it joins.
_SLOW_FUSIONS = ["SkipLayerNormFusion"]
_SAVED_WEIGHTS = {
    # Rearranged weights are stored as well; the engine then maps them instead of making its own copy.
    "session.save_external_prepacked_constant_initializers": "1",
    "session.optimized_model_external_initializers_min_size_in_bytes": "65536",
}


def create_session(graph: InferenceGraph, threads: int, plans_memory: bool = False) -> Any:
    """An `onnxruntime.InferenceSession` of `graph` on the CPU with `threads` threads.

    The engine keeps its own, rearranged copy of the weights: `graph` can be dropped afterwards.
    plans_memory: take the memory of a run in one piece, which is faster and more of it.
    """
    return _session(graph, _options(threads, plans_memory))


def save_session(graph: InferenceGraph, path: Path) -> None:
    """Write what the engine makes of `graph` to `path` and, beside it, its weights in the order of this processor.

    Raises OSError where it cannot be written.
    """
    options = _options(threads=1)
    options.optimized_model_filepath = str(path)
    name = "session.optimized_model_external_initializers_file_name"
    for key, value in (_SAVED_WEIGHTS | {name: f"{path.name}.weights"}).items():
        options.add_session_config_entry(key, value)
    with _as_os_error(path):
        _session(graph, options)


def open_session(path: Path, threads: int, plans_memory: bool = False) -> Any:
    """A session of what `save_session` wrote; its weights stay in their file, which all processes map together.

    Raises OSError where the engine refuses it.
    """
    import onnxruntime

    options = _options(threads, plans_memory)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with _as_os_error(path):
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def import_engine() -> None:
    """Import the engine, where it is installed.

    That keeps Python's lock for tens of milliseconds in one piece: in a thread, it would hold a main thread up that has
    a mouse to follow.
    """
    with contextlib.suppress(ImportError):
        import onnxruntime  # noqa: F401


def engine_version() -> str:
    """Version of the engine, for the keys of caches."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


@contextlib.contextmanager
def _as_os_error(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The engine's errors have no class of their own in common.
        raise OSError(f"{path.name} cannot be written or read by the engine: {error}") from error


def _session(graph: InferenceGraph, options: Any) -> Any:
    import onnxruntime

    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in graph.weights.values()]
    options.add_external_initializers(list(graph.weights), values)
    return onnxruntime.InferenceSession(
        graph.model, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW_FUSIONS
    )


def _options(threads: int, plans_memory: bool = False) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Memory goes back between runs.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = plans_memory
    options.log_severity_level = 3
    for key, value in _SETTINGS.items():
        options.add_session_config_entry(key, value)
    return options
