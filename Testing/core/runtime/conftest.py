"""Running graphs and models of the toy network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from dfqsam_core.runtime import Model, load_model
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.engines.openvino import compile_graph, openvino_version
from dfqsam_core.runtime.graph.encoder import build_encoder
from dfqsam_core.runtime.graph.onnx_builder import InferenceGraph
from Testing.support.packed_toy import float_toy

Encode = Callable[..., dict[str, np.ndarray]]

WITHOUT_OPENVINO = "needs OpenVINO: pip install '.[openvino]'"


@pytest.fixture(scope="session", params=["onnxruntime", "openvino"])
def encode(request: pytest.FixtureRequest) -> Encode:
    """Run the encoder of a model on pixels (S, S, 3): outputs by name, with the inner values where taps=True."""
    if request.param == "openvino" and openvino_version() is None:
        pytest.skip(WITHOUT_OPENVINO)
    engine = {"onnxruntime": run_onnxruntime, "openvino": run_openvino}[request.param]
    return lambda model, pixels, **options: engine(build_encoder(model, **options), pixels[None])


def run_onnxruntime(graph: InferenceGraph, pixels: np.ndarray) -> dict[str, np.ndarray]:
    session = create_session(graph, threads=1)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pixels": pixels}), strict=True))


def run_openvino(graph: InferenceGraph, pixels: np.ndarray) -> dict[str, np.ndarray]:
    # A value that is an output twice has one name here.
    names = [output.name for output in onnx.load_from_string(graph.model).graph.output]
    values = compile_graph(graph, threads=1)(pixels)
    return {name: values[number] for number, name in enumerate(names)}


@pytest.fixture(scope="session")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float toy as a checkpoint."""
    path = tmp_path_factory.mktemp("float") / "toy.safetensors"
    save_file(dict(float_toy().tensors), path)
    return path


@pytest.fixture(scope="session")
def float_model(float_file: Path) -> Model:
    """The float toy, loaded."""
    return load_model(float_file, threads=1)
