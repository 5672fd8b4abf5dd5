"""onnxruntime sessions with the settings that a desktop program needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .onnx_builder import InferenceGraph

_SETTINGS = {
    # Idle threads that spin would take the cores from everything else in the program.
    "session.intra_op.allow_spinning": "0",
    # The graph spells its integer products out; rewriting quantizers around float products only costs time.
    "session.disable_quant_qdq": "1",
}
# Many times slower on a CPU than the addition and the LayerNorm that it joins.
_SLOW_FUSIONS = ["SkipLayerNormFusion"]


def create_session(graph: InferenceGraph, threads: int) -> Any:
    """An `onnxruntime.InferenceSession` of `graph` on the CPU with `threads` threads.

    The engine keeps its own, rearranged copy of the weights: `graph` can be dropped afterwards.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Without the two, memory goes back between runs; the plan of the pattern alone costs a tenth of the time.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    for key, value in _SETTINGS.items():
        options.add_session_config_entry(key, value)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in graph.weights.values()]
    options.add_external_initializers(list(graph.weights), values)
    return onnxruntime.InferenceSession(
        graph.model, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW_FUSIONS
    )
