"""What an encoder's graph costs in numbers that no clock and no load can move."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import Any

from ..network.macs import encoder_macs
from ..runtime.model import float_network
from ..store.checkpoint import read_checkpoint
from ..store.model_file import StoredModel, is_packed_model, read_model

_PRODUCT = "MatMulIntegerToFloat"
_FLOAT_PRODUCTS = ("MatMul", "FusedMatMul")
# Nothing is computed by these.
_MOVES = ("Concat", "Gather", "Slice", "Split", "Transpose")


def count_file(path: str | os.PathLike[str], conventions: str | None = None) -> dict[str, Any]:
    """`encoder_counts` of a packed model or a float checkpoint; raises what reading it raises."""
    if is_packed_model(path):
        return encoder_counts(read_model(path))
    checkpoint = read_checkpoint(path, conventions)
    return encoder_counts(float_network(checkpoint.architecture, checkpoint.tensors, checkpoint.conventions))


def encoder_counts(model: StoredModel) -> dict[str, Any]:
    """Costs of one slice by the encoder's graph as it is written, before an engine joins operators; JSON-ready.

    operators: all of them. integer_products, float_products: products of matrices. giga_macs: their multiplications.
    weight_bytes: of the weights as the products read them. moved_bytes: what Concat, Gather, Slice, Split and Transpose
    write. written_bytes: what all operators write, views of the same values left out.
    """
    from ..runtime.graph.encoder import build_encoder_part

    operators: Counter[str] = Counter()
    written: Counter[str] = Counter()
    weight_bytes = 0
    for block in range(model.architecture.depth):
        graph = build_encoder_part(model, block, block + 1)
        weight_bytes += sum(weight.nbytes for weight in graph.weights.values())
        operators_of, bytes_of = _by_operator(graph.model)
        operators += operators_of
        written += bytes_of
    return {
        "operators": operators.total(),
        "integer_products": operators[_PRODUCT],
        "float_products": sum(operators[name] for name in _FLOAT_PRODUCTS),
        "giga_macs": round(encoder_macs(model.architecture) / 1e9, 4),
        "weight_bytes": weight_bytes,
        "moved_bytes": sum(written[name] for name in _MOVES),
        "written_bytes": written.total() - written["Reshape"] - written["Identity"],
    }


def _by_operator(content: bytes) -> tuple[Counter[str], Counter[str]]:
    """How often each operator stands in an ONNX file, and how many bytes they write."""
    import onnx

    file = onnx.ModelProto.FromString(content)
    operators = Counter(node.op_type for node in file.graph.node)
    makers = {name: node.op_type for node in file.graph.node for name in node.output}
    _spell_products_out(file.graph)
    shapes = onnx.shape_inference.infer_shapes(file, data_prop=True).graph
    written: Counter[str] = Counter()
    for value in (*shapes.value_info, *shapes.output):
        if value.name in makers:
            written[makers[value.name]] += _bytes(value.type.tensor_type)
    return operators, written


def _spell_products_out(graph: Any) -> None:
    """Put operators that ONNX knows in the place of the engine's own, with results of the same shape and type."""
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        graph.node.extend(_known(node) if node.domain else [node])


def _known(node: Any) -> list[Any]:
    from onnx import TensorProto, helper

    (result,), (left, right) = node.output, node.input[:2]
    if node.op_type == _PRODUCT:
        inner = f"{result}, integer"
        product = helper.make_node("MatMulInteger", [left, right], [inner])
        return [product, helper.make_node("Cast", [inner], [result], to=TensorProto.FLOAT)]
    # FusedMatMul, of the attention's (heads, windows, tokens, width), its right side turned.
    inner = f"{result}, turned"
    turned = helper.make_node("Transpose", [right], [inner], perm=[0, 1, 3, 2])
    return [turned, helper.make_node("MatMul", [left, inner], [result])]


def _bytes(tensor: Any) -> int:
    import onnx

    sides = [side.dim_value for side in tensor.shape.dim]
    return math.prod(sides) * onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
