from __future__ import annotations

import numpy as np

from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.onnx_builder import GraphBuilder


def test_equal_constants_are_stored_once() -> None:
    graph = GraphBuilder()
    assert graph.constant(np.float32(2)) == graph.floats(2.0)
    assert graph.constant(np.ones(2, np.float32)) != graph.constant(np.ones(2, np.int64))


def test_scalars_and_vectors_of_one_stay_apart() -> None:
    graph = GraphBuilder()
    assert graph.constant(np.zeros((), np.uint8)) != graph.constant(np.zeros(1, np.uint8))


def test_a_graph_computes_what_was_written() -> None:
    graph = GraphBuilder()
    x = graph.input("x", np.float32, ("rows", 2))
    product = graph.op("MatMul", x, graph.weight(np.array([[1, 2], [3, 4]], np.float32)))
    graph.output("y", graph.op("Add", product, graph.floats(0.5)))
    session = create_session(graph.finish(), threads=1)
    np.testing.assert_array_equal(session.run(None, {"x": np.eye(2, dtype=np.float32)})[0], [[1.5, 2.5], [3.5, 4.5]])


def test_weights_stay_out_of_the_model() -> None:
    graph = GraphBuilder()
    x = graph.input("x", np.float32, (1, 64))
    weight = np.ones((64, 64), np.float32)
    graph.output("y", graph.op("MatMul", x, graph.weight(weight)))
    finished = graph.finish()
    assert len(finished.model) < 1000
    assert next(iter(finished.weights.values())) is weight


def test_taps_are_outputs_only_where_they_are_asked_for() -> None:
    for taps, expected in ((False, ["y"]), (True, ["inner", "y"])):
        graph = GraphBuilder(taps)
        x = graph.input("x", np.float32, (2,))
        graph.output("y", graph.op("Exp", graph.tap("inner", graph.op("Neg", x))))
        session = create_session(graph.finish(), threads=1)
        assert [output.name for output in session.get_outputs()] == expected


def test_slices_and_gathers_select() -> None:
    graph = GraphBuilder()
    x = graph.input("x", np.int64, (3, 2))
    graph.output("part", graph.slice(x, 1, 3, axis=0))
    graph.output("picked", graph.gather(x, np.array([[2, 0]]), axis=0))
    part, picked = create_session(graph.finish(), threads=1).run(None, {"x": np.arange(6).reshape(3, 2)})
    np.testing.assert_array_equal(part, [[2, 3], [4, 5]])
    np.testing.assert_array_equal(picked, [[[4, 5], [0, 1]]])
