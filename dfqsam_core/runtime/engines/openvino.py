"""OpenVINO, where it is installed, as a second engine for image encoders: it reads the same graphs."""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base.installation import install_command
from ...base.machine import release_memory
from ...errors import ConfigError

if TYPE_CHECKING:
    from ..graph.onnx_builder import InferenceGraph

_SETTINGS = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    # Codes are made by the graph and nowhere else: no float16 or bfloat16, no rounding of what goes into a product.
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    # A desktop program leaves its threads to the system.
    "ENABLE_CPU_PINNING": False,
}
# Reports to OpenVINO's makers that it was imported; OpenVINO runs without it.
_TELEMETRY = "openvino_telemetry"


class OpenVinoEncoder:
    """An encoder whose parts run one behind the other; calls from several threads take turns."""

    def __init__(self, parts: Iterable[InferenceGraph], threads: int) -> None:
        self._requests = []
        for graph in parts:
            self._requests.append(compile_graph(graph, threads).create_infer_request())
            release_memory()
        for part, following in itertools.pairwise(self._requests):
            following.set_input_tensor(part.get_output_tensor())
        self._turn = threading.Lock()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """The embedding, float32 (1, C, g, g), of pixels, uint8 (1, S, S, 3)."""
        with self._turn:
            self._requests[0].get_input_tensor().data[:] = pixels
            for request in self._requests:
                request.infer()
            return self._requests[-1].get_output_tensor().data.copy()


def compile_graph(graph: InferenceGraph, threads: int) -> Any:
    """An `openvino.CompiledModel` of `graph` on the CPU with `threads` threads.

    Integer products that cannot saturate on any processor run on bytes. The others, which the graph writes with
    unsigned weights, run in float32.
    Raises ConfigError where OpenVINO is not installed or refuses the graph.
    """
    core = _openvino().Core()
    try:
        network = core.read_model(graph.with_weights())
        return core.compile_model(network, "CPU", _SETTINGS | {"INFERENCE_NUM_THREADS": threads})
    except RuntimeError as error:
        raise ConfigError(f"OpenVINO cannot run this model here: {error}. Use the engine onnxruntime.") from error


def openvino_version() -> str | None:
    """Version of the installed package, which is not imported for this; None where there is none."""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return None


def _openvino() -> Any:
    try:
        with _without_telemetry():
            import openvino
    except ImportError as error:
        raise ConfigError(
            f"The engine openvino cannot be loaded: {error}. Install it with: {install_command('openvino')}"
        ) from error
    return openvino


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """Let nothing import the package that sends; what is imported meanwhile does without it for good."""
    modules: dict[str, Any] = sys.modules
    kept, modules[_TELEMETRY] = modules.get(_TELEMETRY), None
    try:
        yield
    finally:
        del modules[_TELEMETRY]
        if kept is not None:
            modules[_TELEMETRY] = kept
