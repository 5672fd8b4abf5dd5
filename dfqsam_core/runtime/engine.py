"""onnxruntime sessions with the settings that a desktop program needs, and how many threads they may take."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path
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


def physical_cores() -> int:
    """Physical cores that this process may use, at least 1; the second thread of a core does not speed products up."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len({_core_of(cpu) for cpu in os.sched_getaffinity(0)}))
    logical = os.cpu_count() or 1
    # Macs run one thread a core; elsewhere two is the rule, and half of too few is only slower.
    return logical if sys.platform == "darwin" else max(1, logical // 2)


def release_memory() -> None:
    """Give memory that is no longer used back to the operating system, where the C library can."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _core_of(cpu: int) -> str:
    siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return siblings.read_text()
    except OSError:
        return str(cpu)
