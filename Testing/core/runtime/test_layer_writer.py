from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.layer_writer import LayerWriter
from dfqsam_core.runtime.graph.onnx_builder import GraphBuilder, InferenceGraph
from dfqsam_core.store.model_file import StoredModel
from dfqsam_core.store.packing import pack_codes
from Testing.support.packed_toy import calibrated_toy

LAYER = "image_encoder.blocks.0.mlp.lin2"


def extreme_model(weight_bits: int, input_bits: int) -> StoredModel:
    """The layer's weights and inputs are as large as their bits allow."""
    model = calibrated_toy(weight_bits, input_bits)
    spec = model.layers[LAYER]
    tensors = dict(model.tensors)
    top, zero = 2**weight_bits - 1, 128 if weight_bits == 8 else 0
    codes = np.full((spec.out_channels, spec.row_length), top, np.uint8)
    tensors[f"{LAYER}.weight.codes"] = pack_codes(codes, weight_bits)
    tensors[f"{LAYER}.weight.zero_point"] = np.full(spec.out_channels, zero, np.uint8)
    tensors[f"{LAYER}.weight.scale"] = np.ones(spec.out_channels, np.float32)
    tensors[f"{LAYER}.input.scale"] = np.ones(1, np.float32)
    tensors[f"{LAYER}.input.zero_point"] = np.zeros(1, np.uint8)
    tensors[f"{LAYER}.bias"] = np.zeros(spec.out_channels, np.float32)
    return replace(model, tensors=tensors)


def linear_graph(model: StoredModel, layer: str) -> InferenceGraph:
    layers = LayerWriter(GraphBuilder(), model)
    x = layers.graph.input("x", np.float32, (4, model.layers[layer].in_channels))
    layers.graph.output("y", layers.linear(layer, x))
    return layers.graph.finish()


@pytest.mark.parametrize("input_bits", [4, 6, 8])
@pytest.mark.parametrize("weight_bits", [4, 5, 6, 7, 8])
def test_the_largest_products_are_exact(weight_bits: int, input_bits: int) -> None:
    graph = linear_graph(extreme_model(weight_bits, input_bits), LAYER)
    y = create_session(graph, threads=1).run(None, {"x": np.full((4, 64), 1e6, np.float32)})[0]
    largest_weight = 127 if weight_bits == 8 else 2**weight_bits - 1
    np.testing.assert_array_equal(y, 64 * largest_weight * (2**input_bits - 1))


@pytest.mark.parametrize(
    ("weight_bits", "input_bits", "dtype"),
    [
        (4, 4, np.int8),
        (4, 8, np.int8),
        (6, 8, np.int8),
        (7, 7, np.int8),
        (7, 8, np.uint8),
        (8, 4, np.int8),
        (8, 8, np.uint8),
    ],
)
def test_bytes_are_signed_only_where_two_products_fit_in_16_bits(weight_bits, input_bits, dtype) -> None:
    (weight,) = linear_graph(extreme_model(weight_bits, input_bits), LAYER).weights.values()
    assert weight.dtype == dtype
    if dtype == np.int8:
        assert 2 * int(weight.max()) * (2**input_bits - 1) <= 32767


def test_codes_round_half_to_even_and_saturate() -> None:
    model = extreme_model(4, 4)
    layers = LayerWriter(GraphBuilder(), model)
    x = layers.graph.input("x", np.float32, (1, 7))
    scale, zero_point = np.array([2], np.float32), np.array([3], np.uint8)
    layers.graph.output("codes", layers.quantize("x", x, scale, zero_point, bits=4, axis=-1))
    values = np.array([[-9, -7, -1, 0, 1, 3, 99]], np.float32)
    (codes,) = create_session(layers.graph.finish(), threads=1).run(None, {"x": values})
    # In steps: -4.5 (below the range), -3.5 to -4, -0.5 to 0, 0, 0.5 to 0, 1.5 to 2, 49.5 (above the range).
    np.testing.assert_array_equal(codes, [[0, 0, 3, 3, 3, 5, 15]])


def test_a_layer_without_input_codes_multiplies_floats() -> None:
    model = calibrated_toy(exceptions={"lin2": (4, None)})
    graph = linear_graph(model, LAYER)
    x = np.random.default_rng(0).standard_normal((4, 64), np.float32)
    y = create_session(graph, threads=1).run(None, {"x": x})[0]
    expected = x @ model.float_weight(LAYER).T + model.tensors[f"{LAYER}.bias"]
    np.testing.assert_allclose(y, expected, atol=1e-5)
