"""A small way to write ONNX graphs: values are their names, nodes are appended in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

CONTRIB = "com.microsoft"
_OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid(CONTRIB, 1)]
_IR_VERSION = 9


@dataclass(frozen=True)
class InferenceGraph:
    """A finished graph.

    model: the ONNX file as bytes, without the large weights.
    weights: name to array for each weight that `model` declares as external; the engine reads them in place.
    """

    model: bytes
    weights: dict[str, np.ndarray]

    def with_weights(self) -> bytes:
        """The whole ONNX file, for an engine that cannot read weights in place; less than 2 GB."""
        model = ModelProto.FromString(self.model)
        for tensor in model.graph.initializer:
            if tensor.name in self.weights:
                tensor.CopyFrom(numpy_helper.from_array(self.weights[tensor.name], tensor.name))
        return model.SerializeToString()


class GraphBuilder:
    """Collects the nodes, constants and weights of one graph.

    taps: keep the inner values that `tap` names as further outputs, for tests that compare codes.
    """

    def __init__(self, taps: bool = False) -> None:
        self.taps = taps
        self._nodes: list[NodeProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._initializers: list[TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._weights: dict[str, np.ndarray] = {}
        self._count = 0

    def input(self, name: str, dtype: type[np.generic], shape: tuple[int | str, ...]) -> str:
        """Declare an input of the graph; a dimension given by a string may be any size."""
        self._inputs.append(helper.make_tensor_value_info(name, _onnx_type(np.dtype(dtype)), shape))
        return name

    def output(self, name: str, value: str) -> None:
        """Make `value` an output of the graph under `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_empty_tensor_value_info(name))

    def tap(self, name: str, value: str) -> str:
        """Return `value`; where the graph is built with taps it becomes the output `name` as well."""
        if self.taps:
            self.output(name, value)
        return value

    def op(self, op_type: str, *inputs: str | None, domain: str = "", **attributes: Any) -> str:
        """Append one node and return its only result; None leaves an optional input out."""
        return self.ops(op_type, *inputs, results=1, domain=domain, **attributes)[0]

    def ops(self, op_type: str, *inputs: str | None, results: int, domain: str = "", **attributes: Any) -> list[str]:
        """Append one node and return its `results` results."""
        names = [self._new_name(op_type) for _ in range(results)]
        self._nodes.append(helper.make_node(op_type, [i or "" for i in inputs], names, domain=domain, **attributes))
        return names

    def constant(self, value: np.ndarray | np.generic) -> str:
        """A small constant, stored inside the graph; equal constants are stored once."""
        array = np.asarray(value, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._new_name("constant")
            self._initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def floats(self, *values: float) -> str:
        """A float32 vector; a scalar when there is one value."""
        return self.constant(np.array(values if len(values) != 1 else values[0], np.float32))

    def integers(self, *values: int) -> str:
        """An int64 vector, for shapes and axes."""
        return self.constant(np.array(values, np.int64))

    def weight(self, value: np.ndarray) -> str:
        """A large constant; it stays in its numpy array, which the engine reads without a copy."""
        array = np.ascontiguousarray(value)
        name = self._new_name("weight")
        tensor = TensorProto(name=name, data_type=_onnx_type(array.dtype), dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="in memory")
        self._initializers.append(tensor)
        self._weights[name] = array
        return name

    def reshape(self, value: str, *shape: int) -> str:
        """`value` in another shape; 0 keeps a dimension, -1 is what remains."""
        return self.op("Reshape", value, self.integers(*shape))

    def transpose(self, value: str, *order: int) -> str:
        """`value` with its axes in another order."""
        return self.op("Transpose", value, perm=list(order))

    def concat(self, *values: str, axis: int) -> str:
        """Values joined along `axis`; a single value passes through."""
        return self.op("Concat", *values, axis=axis) if len(values) > 1 else values[0]

    def slice(self, value: str, start: int, stop: int, axis: int) -> str:
        """The part start..stop of one axis."""
        return self.op("Slice", value, self.integers(start), self.integers(stop), self.integers(axis))

    def gather(self, value: str, index: np.ndarray, axis: int = 0) -> str:
        """Entries of `axis` in the order of the integer array `index`, whose shape replaces that axis."""
        return self.op("Gather", value, self.constant(index.astype(np.int64)), axis=axis)

    def finish(self) -> InferenceGraph:
        """The graph of everything appended so far."""
        graph = helper.make_graph(self._nodes, "dfqsam", self._inputs, self._outputs, self._initializers)
        model: ModelProto = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION)
        return InferenceGraph(model.SerializeToString(), dict(self._weights))

    def _new_name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def _onnx_type(dtype: np.dtype) -> int:
    return helper.np_dtype_to_tensor_dtype(dtype)
