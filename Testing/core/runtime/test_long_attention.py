"""Attention over the 64 x 64 tokens of a 1024-pixel image: in parts, which changes no bit, with positions added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dfqsam_core.network import attention_windows
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.attention_layout import WindowGroup
from dfqsam_core.network.attention_windows import is_long, query_chunks
from dfqsam_core.network.memory import running_bytes
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.attention import AttentionWriter
from dfqsam_core.runtime.graph.encoder import EncoderWriter
from dfqsam_core.runtime.graph.layer_writer import LayerWriter
from dfqsam_core.runtime.graph.onnx_builder import GraphBuilder
from dfqsam_core.store.model_file import StoredModel
from Testing.support.packed import packed_toy
from Testing.support.packed_toy import calibrated_toy, float_toy, random_pixels
from Testing.support.reference_encoder import ReferenceEncoder
from Testing.support.toy import toy_architecture

# As many tokens as a SAM has, windows of its size, and little else.
LONG = Architecture(32, 2, 2, 48, window_size=14, global_attn_indexes=(1,), image_size=256, patch_size=4)
VIT_B = Architecture(768, 12, 12, 3072, image_size=1024)


class WholeAttention(AttentionWriter):
    def chunks(self, group: WindowGroup) -> list[slice]:
        return [slice(0, group.queries)]


class JoinedAttention(WholeAttention):
    @property
    def joins_positions(self) -> bool:
        return True


def embedding(model: StoredModel, attention: type[AttentionWriter]) -> np.ndarray:
    writer = EncoderWriter(LayerWriter(GraphBuilder(), model))
    writer.attention = attention
    session = create_session(writer.write(0, model.architecture.depth), threads=1)
    return session.run(None, {"pixels": random_pixels(model.architecture, 3)[None]})[0]


@pytest.fixture(params=[float_toy, packed_toy], ids=["float", "packed"])
def model(request: pytest.FixtureRequest) -> StoredModel:
    return request.param(2, LONG)


def test_parts_give_the_bits_of_the_whole(model: StoredModel) -> None:
    assert len(query_chunks(LONG.grid**2, LONG.grid**2)) == 16
    np.testing.assert_array_equal(embedding(model, AttentionWriter), embedding(model, WholeAttention))


def test_added_positions_are_those_that_the_product_brings() -> None:
    model = float_toy(2, LONG)
    np.testing.assert_allclose(embedding(model, WholeAttention), embedding(model, JoinedAttention), atol=2e-5)


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's 16 global queries come in four parts, the 9 of its windows in three."""
    monkeypatch.setattr(attention_windows, "_MOST_LOGITS", 1)
    monkeypatch.setattr(attention_windows, "_LEAST_QUERIES", 4)


@pytest.mark.parametrize("heads", [2, 8], ids=["positions joined", "positions added"])
@pytest.mark.usefixtures("tiny_parts")
def test_parts_equal_the_plain_definition(encode, heads: int) -> None:
    model = float_toy(1, replace(toy_architecture(), num_heads=heads))
    pixels = random_pixels(model.architecture, 2)
    assert len(query_chunks(16, 16)) == 4
    np.testing.assert_allclose(encode(model, pixels)["image_embedding"], ReferenceEncoder(model)(pixels), atol=2e-5)


@pytest.mark.usefixtures("tiny_parts")
def test_parts_of_coded_attention_have_taps_of_their_own(encode) -> None:
    model = calibrated_toy(seed=4)
    taps = encode(model, random_pixels(model.architecture, 5), taps=True)
    parts = [taps[f"image_encoder.blocks.2.attn.softmax.0.{part}.codes"] for part in range(4)]
    assert [part.shape for part in parts] == [(2, 1, 4, 16)] * 4
    assert all(part.max() <= 15 for part in parts)


def test_networks_for_smaller_images_attend_in_one_piece() -> None:
    assert [is_long(side) for side in (14, 16, 32, 48, 64)] == [False, False, False, True, True]
    assert query_chunks(1024, 1024) == [slice(0, 1024)]


def test_a_part_is_all_that_lies_in_memory_at_once() -> None:
    # 0.36 GB of float32 weights and three copies of 50 MB, where the whole block has three of 805 MB.
    assert 0.45e9 < running_bytes(VIT_B) < 0.55e9
