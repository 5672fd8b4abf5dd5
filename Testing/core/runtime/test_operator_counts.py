"""What an encoder costs in operators, exactly: a guard against slower graphs that needs no clock."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest

from dfqsam_core.network.layers import encoder_layers
from dfqsam_core.runtime.graph.encoder import build_encoder, build_encoder_part
from Testing.support.packed_toy import calibrated_toy


@pytest.fixture(scope="module")
def operators() -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(build_encoder(calibrated_toy()).model).graph.node)


def test_every_layer_is_one_integer_product_but_qkv_and_the_phases(operators: Counter[str]) -> None:
    # q, k and v apart, and four output phases of a transposed convolution.
    extra = {"attn.qkv": 2, "Adapter.spatial.2": 3}
    layers = encoder_layers(calibrated_toy().architecture)
    expected = sum(1 + sum(more for end, more in extra.items() if layer.name.endswith(end)) for layer in layers)
    assert operators["MatMulIntegerToFloat"] == expected


def test_each_code_is_rounded_once(operators: Counter[str]) -> None:
    blocks = 3
    # Pixels, two in the neck; in each block four layers of the adapter, proj, lin2, lin1, qkv and q, k, v; one for the
    # softmax of every window group: four in each of the two windowed blocks, one in the global one.
    assert operators["QuantizeLinear"] == 1 + 2 + blocks * (4 + 4 + 3) + 2 * 4 + 1


def test_windows_move_bytes(operators: Counter[str]) -> None:
    # Windowed blocks: tokens into window order and back, keys and values of each of four groups. All blocks: taps of a
    # convolution, of four phases, and their order. The neck: taps.
    assert operators["Gather"] == 2 * (2 + 2 * 4) + 3 * (1 + 4 + 1) + 1


def test_parts_have_the_operators_of_the_whole(operators: Counter[str]) -> None:
    model = calibrated_toy()
    parts: Counter[str] = Counter()
    for block in range(model.architecture.depth):
        graph = onnx.load_from_string(build_encoder_part(model, block, block + 1).model).graph
        parts += Counter(node.op_type for node in graph.node)
    # Each part names its own output.
    assert parts - operators == Counter(Identity=model.architecture.depth - 1)
    assert not operators - parts
