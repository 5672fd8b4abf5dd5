"""The second engine for encoders; what it computes layer by layer is in test_encoder_float and test_encoder_integer."""

from __future__ import annotations

import platform
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from dfqsam_core.errors import ConfigError
from dfqsam_core.runtime import Model, load_model
from dfqsam_core.runtime.engines.openvino import OpenVinoEncoder, compile_graph, openvino_version
from dfqsam_core.runtime.graph.encoder import build_encoder
from dfqsam_core.runtime.graph.onnx_builder import InferenceGraph
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy, random_pixels

from .conftest import WITHOUT_OPENVINO

pytestmark = pytest.mark.skipif(openvino_version() is None, reason=WITHOUT_OPENVINO)

PIXELS = random_pixels(calibrated_toy().architecture, seed=1)
BOXES = np.array([[[8, 8], [40, 36]], [[20, 4], [60, 60]], [[30, 30], [50, 55]]], np.float32)
BLOCKS = calibrated_toy().architecture.depth


@pytest.fixture(scope="module")
def packed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "toy.safetensors"
    write_model(path, calibrated_toy())
    return path


@pytest.fixture(scope="module")
def model(packed_file: Path) -> Model:
    return load_model(packed_file, threads=1, engine="openvino")


def kernels(graph: InferenceGraph) -> list[tuple[str, str]]:
    """Precision and kernel of every matrix product with a constant."""
    nodes = [node.get_rt_info() for node in compile_graph(graph, threads=1).get_runtime_model().get_ops()]
    products = [node for node in nodes if _text(node["layerType"]) == "FullyConnected"]
    return [(_text(node["runtimePrecision"]), _text(node["primitiveType"])) for node in products]


def _text(value: Any) -> str:
    return value.astype(str)


def integer_products(graph: InferenceGraph) -> int:
    nodes = onnx.load_from_string(graph.model).graph.node
    return sum(node.op_type == "MatMulIntegerToFloat" for node in nodes)


# One layer a block could saturate; q, k and v, which the graph multiplies apart, become one product.
@pytest.mark.parametrize(("exceptions", "in_float"), [({}, 0), ({"mlp.lin1": (8, 8)}, BLOCKS)])
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names kernels of x86-64")
def test_every_product_of_four_bits_runs_on_bytes(exceptions: dict[str, tuple[int, int]], in_float: int) -> None:
    graph = build_encoder(calibrated_toy(exceptions=exceptions))
    on_bytes = [precision for precision, kernel in kernels(graph) if kernel.endswith("I8")]
    assert on_bytes == ["u8"] * (integer_products(graph) - 2 * BLOCKS - in_float)


def test_both_engines_give_the_same_masks(packed_file: Path, model: Model) -> None:
    plain = load_model(packed_file, threads=1, engine="onnxruntime")
    assert (model.engine, plain.engine) == ("openvino", "onnxruntime")
    assert (model.digest, model.card, model.threads) == (plain.digest, plain.card, plain.threads)
    embeddings = [one.encode(PIXELS) for one in (model, plain)]
    # Codes may flip where floats round another way, here none does.
    np.testing.assert_allclose(*embeddings, atol=1e-4)
    corners = np.tile([2, 3], (len(BOXES), 1))
    pairs = zip((model, plain), embeddings, strict=True)
    ours, theirs = (one.decode(embedding, BOXES, corners)[0] > 0 for one, embedding in pairs)
    assert 0 < ours.mean() < 1
    assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) >= 0.99


def test_runs_and_thread_counts_give_the_same_bytes(packed_file: Path, model: Model) -> None:
    expected = model.encode(PIXELS)
    more = load_model(packed_file, threads=2, engine="openvino")
    assert more.threads == 2
    for one in (model, more, model):
        np.testing.assert_array_equal(one.encode(PIXELS), expected)


def test_an_embedding_outlives_the_next_image(model: Model) -> None:
    first = model.encode(PIXELS)
    kept = first.copy()
    assert not np.array_equal(model.encode(255 - PIXELS), kept)
    np.testing.assert_array_equal(first, kept)


def test_threads_of_the_caller_share_one_encoder(model: Model) -> None:
    images = [PIXELS, 255 - PIXELS] * 4
    expected, answers = [model.encode(image) for image in images], {}

    def encode(number: int) -> None:
        answers[number] = model.encode(images[number])

    workers = [threading.Thread(target=encode, args=(number,)) for number in range(len(images))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == len(images)
    assert all(np.array_equal(answers[number], embedding) for number, embedding in enumerate(expected))


def test_parts_give_the_embedding_of_the_whole(
    packed_file: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfqsam_core.runtime.engines.parts._BLOCKS_PER_OPENVINO_PART", 2)
    parts = load_model(packed_file, threads=1, engine="openvino")
    np.testing.assert_allclose(parts.encode(PIXELS), model.encode(PIXELS), atol=1e-5)


def test_a_float_checkpoint_runs(float_file: Path, float_model: Model) -> None:
    other = load_model(float_file, threads=1, engine="openvino")
    np.testing.assert_allclose(other.encode(PIXELS), float_model.encode(PIXELS), atol=1e-4)


def test_a_graph_that_it_refuses_is_an_error_in_words() -> None:
    with pytest.raises(ConfigError, match="Use the engine onnxruntime"):
        OpenVinoEncoder([InferenceGraph(b"", {})], threads=1)


def test_a_package_that_does_not_load_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"pip install '\S*\[openvino\]'"):
        compile_graph(build_encoder(calibrated_toy()), threads=1)
