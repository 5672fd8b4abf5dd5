"""Model cards: sizes that are those of the file (T16), bit operations that name every product left in float."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

import dfqsam_core
from dfqsam_core.network.costs import products
from dfqsam_core.network.layers import decoder_layers, encoder_layers
from dfqsam_core.network.macs import attention_products
from dfqsam_core.store.card import FORMAT_VERSION, build_card, library_versions
from dfqsam_core.store.model_file import StoredModel, write_model
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from Testing.support.packed import SOURCE, card_of, packed_toy
from Testing.support.toy import toy_architecture

VIT_B = NAMED_ARCHITECTURES["vit_b"]


@pytest.fixture(scope="module")
def toy() -> StoredModel:
    return packed_toy()


def entries_of_everything(bits: int) -> list[dict]:
    """Every layer of encoder and decoder, and all attention, of SAM-Med2D ViT-B at the same bits."""
    layers = [
        {"name": layer.name, "kind": layer.kind, "macs": layer.macs, "weight_bits": bits, "input_bits": bits}
        for layer in encoder_layers(VIT_B) + decoder_layers(VIT_B)
    ]
    return layers + [
        {"name": product.name, "kind": "attention", "macs": product.macs, "input_bits": bits, "softmax_bits": bits}
        for product in attention_products(VIT_B)
    ]


def test_sizes_account_for_every_byte_of_the_file(toy: StoredModel, tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    write_model(path, toy)
    sizes = toy.card["sizes"]
    header_bytes = 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]
    assert sizes["tensor_bytes"] + header_bytes == path.stat().st_size
    assert sum(size for part in sizes["parts"].values() for size in part.values()) == sizes["tensor_bytes"]
    assert sizes["ratio"] == pytest.approx(sizes["float32_bytes"] / sizes["tensor_bytes"], abs=0.001)


def test_sizes_of_codes_by_hand(toy: StoredModel) -> None:
    encoder_weights = sum(math.prod(layer.weight_shape) for layer in encoder_layers(toy.architecture))
    decoder_weights = sum(math.prod(layer.weight_shape) for layer in decoder_layers(toy.architecture)[3:])
    assert toy.card["sizes"]["parts"]["image_encoder"]["weight codes"] == encoder_weights / 2
    assert toy.card["sizes"]["parts"]["mask_decoder"]["weight codes"] == decoder_weights
    assert toy.card["weight_storage"]["image_encoder"]["4-bit packed codes"] == encoder_weights
    assert toy.card["weight_storage"]["mask_decoder"]["8-bit packed codes"] == decoder_weights


def test_effective_bits_count_scales_and_float_parts(toy: StoredModel) -> None:
    effective = toy.card["effective_bits_per_weight"]
    values = toy.card["sizes"]["float32_bytes"] / 4
    assert effective["total"] == pytest.approx(8 * toy.card["sizes"]["tensor_bytes"] / values, abs=0.001)
    assert 4 < effective["image_encoder"] < 5
    assert 8 < effective["mask_decoder"] < 9
    assert effective["prompt_encoder"] == 32


def test_every_product_that_stays_in_float_is_listed(toy: StoredModel) -> None:
    listed = toy.card["bit_operations"]["float"]
    decoder = {layer.name for layer in decoder_layers(toy.architecture)[3:]}
    positions = {f"image_encoder.blocks.{block}.attn.relative_position" for block in range(3)}
    assert set(listed) == decoder | positions | {"mask_decoder.attention_and_masks"}
    reasons = [part["reason"] for part in toy.card["float_parts"]]
    assert all(reasons)
    assert sum(part.get("macs", 0) for part in toy.card["float_parts"]) == sum(listed.values())


def test_float_values_are_all_accounted_for(toy: StoredModel) -> None:
    floats = sum(part.get("values", 0) for part in toy.card["float_parts"])
    assert floats == sum(storage.get("float32", 0) for storage in toy.card["weight_storage"].values())


def test_everything_at_4_bits_is_64_times_less_but_for_what_is_listed() -> None:
    card = card_of(VIT_B, entries_of_everything(4), {"x": np.zeros(1, np.float32)})
    operations = card["bit_operations"]
    floats = sum(operations["float"].values())
    assert operations["total"] == floats * 1024 + (operations["macs"] - floats) * 16
    assert operations["ratio_to_float32"] == pytest.approx(1024 * operations["macs"] / operations["total"], abs=0.001)
    # Published: 45.974 GMAC for one image and one box with the padding computed.
    assert operations["macs_with_padding"] / 1e9 == pytest.approx(45.974, abs=0.0005)
    assert all("relative_position" in name or "attention_and_masks" in name for name in operations["float"])


def test_a_model_without_quantized_layers_gains_nothing() -> None:
    operations = card_of(toy_architecture(), [], {"x": np.zeros(1, np.float32)})["bit_operations"]
    assert operations["ratio_to_float32"] == 1
    assert operations["total"] == 1024 * operations["macs"]
    assert all(product.is_float and product.reason for product in products(toy_architecture(), []))


def test_a_float_softmax_leaves_its_product_in_float() -> None:
    name = "image_encoder.blocks.0.attn"
    entry = {"name": name, "kind": "attention", "macs": 1, "input_bits": 4, "softmax_bits": None}
    floats = {product.name for product in products(toy_architecture(), [entry]) if product.is_float}
    assert f"{name}.attention_value" in floats
    assert f"{name}.query_key" not in floats


def test_the_card_says_what_the_contract_asks_for() -> None:
    card = build_card(
        architecture=VIT_B,
        layers=entries_of_everything(4),
        source=SOURCE,
        recipe={"name": "fast", "images": 2},
        seed=7,
        tensor_bytes={"x": 4},
        versions=library_versions("numpy"),
    )
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["format_version"] == FORMAT_VERSION == 1
    assert card["architecture"] == VIT_B.to_dict()
    assert card["source"] == {"file_name": "toy.safetensors", "sha256": "0" * 64, "bytes": 1234}
    assert (card["recipe"], card["seed"], card["measured"]) == ({"name": "fast", "images": 2}, 7, [])
    assert card["versions"] == {"dfqsam": dfqsam_core.__version__, "numpy": np.__version__}
    assert "Apache-2.0" in card["licence"]
    assert "Not a medical device" in card["intended_use"]
    assert card["limits"]


def test_layers_are_listed_in_one_order() -> None:
    entries = entries_of_everything(4)
    tensors = {"x": np.zeros(1, np.float32)}
    assert card_of(VIT_B, entries, tensors) == card_of(VIT_B, entries[::-1], tensors)


def test_attention_codes_that_the_engine_multiplies_in_float_are_told_apart(toy: StoredModel) -> None:
    operations = toy.card["bit_operations"]
    listed = operations["codes_multiplied_in_float32"]
    assert len(listed) == 2 * toy.architecture.depth
    extra = sum(listed.values()) * (32 * 32 - 4 * 4)
    assert operations["as_computed"] == operations["total"] + extra
    assert operations["ratio_to_float32_as_computed"] < operations["ratio_to_float32"]
