"""Layers and their cost, against the published counts of SAM-Med2D ViT-B and of hand-made toys."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.layers import LayerSpec, decoder_layers, encoder_layers
from dfqsam_core.network.macs import attention_products, decoder_product_macs, encoder_macs
from dfqsam_core.network.tensor_shapes import expected_shapes
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from Testing.support.toy import toy_architecture

VIT_B = NAMED_ARCHITECTURES["vit_b"]


def all_layers(architecture: Architecture) -> list[LayerSpec]:
    return encoder_layers(architecture) + decoder_layers(architecture)


@pytest.mark.parametrize(
    ("adapter_dim", "skip_pads", "giga_macs"),
    [(192, False, 45.840), (192, True, 34.512), (0, False, 34.512), (0, True, 23.184)],
)
def test_encoder_macs_equal_the_published_counts(adapter_dim: int, skip_pads: bool, giga_macs: float) -> None:
    macs = encoder_macs(replace(VIT_B, adapter_dim=adapter_dim), skip_pads)
    assert macs / 1e9 == pytest.approx(giga_macs, abs=0.0005)


@pytest.mark.parametrize(
    ("part", "giga_macs"),
    [
        ("qkv", 5.436),
        ("attn.proj", 1.812),
        (".mlp.", 14.496),
        ("spatial.0", 4.077),
        ("spatial.2", 7.248),
        ("neck", 0.201),
    ],
)
def test_parts_of_the_encoder_equal_the_published_counts(part: str, giga_macs: float) -> None:
    macs = sum(layer.macs for layer in encoder_layers(VIT_B) if part in layer.name)
    assert macs / 1e9 == pytest.approx(giga_macs, abs=0.0005)


def test_decoder_macs_for_one_box_equal_the_published_count() -> None:
    layers = sum(layer.macs for layer in decoder_layers(VIT_B) if layer.name.startswith("mask_decoder."))
    assert (layers + decoder_product_macs(VIT_B)) / 1e9 == pytest.approx(0.13325, abs=0.00001)


def test_a_mask_prompt_costs_the_published_count() -> None:
    layers = sum(layer.macs for layer in decoder_layers(VIT_B) if layer.name.startswith("prompt_encoder."))
    assert 2 * layers / 1e9 == pytest.approx(0.00226, abs=0.00001)


def test_attention_of_a_toy_by_hand() -> None:
    windowed, _, global_block = attention_products(toy_architecture())
    assert windowed.name == "image_encoder.blocks.0.attn"
    # 16 queries, 9 keys in their window, 32 channels; two tables of 3 rows.
    assert (windowed.query_key_macs, windowed.attention_value_macs) == (16 * 9 * 32, 16 * 9 * 32)
    assert windowed.relative_position_macs == 16 * (3 + 3) * 32
    assert (global_block.query_key_macs, global_block.relative_position_macs) == (16 * 16 * 32, 16 * (4 + 4) * 32)
    # With padding the 4 x 4 grid is 6 x 6 tokens in windows of 3.
    assert attention_products(toy_architecture(), skip_pads=False)[0].query_key_macs == 36 * 9 * 32
    assert windowed.macs == sum((16 * 9 * 32, 16 * 9 * 32, 16 * 6 * 32))


@pytest.mark.parametrize("name", NAMED_ARCHITECTURES)
def test_every_matrix_of_the_network_is_a_layer_once(name: str) -> None:
    architecture = NAMED_ARCHITECTURES[name]
    shapes = expected_shapes(architecture)
    tables = ("embed.", "embeddings.", "token", "gaussian", "rel_pos", "pos_embed")
    matrices = {
        key.removesuffix(".weight")
        for key, shape in shapes.items()
        if len(shape) > 1 and ("_proj" in key or "patch_embed" in key or not any(table in key for table in tables))
    }
    names = [layer.name for layer in all_layers(architecture)]
    assert sorted(names) == sorted(matrices)
    for layer in all_layers(architecture):
        assert layer.weight_shape == shapes[f"{layer.name}.weight"]
        assert layer.has_bias == (f"{layer.name}.bias" in shapes)
        assert layer.out_channels * layer.row_length == math.prod(layer.weight_shape)
        assert math.prod(layer.row_shape) == layer.row_length


def test_rows_of_a_transposed_convolution_follow_its_second_axis() -> None:
    layer = next(layer for layer in all_layers(VIT_B) if layer.name == "mask_decoder.output_upscaling.3")
    assert (layer.kind, layer.weight_shape) == ("conv_transpose", (64, 32, 2, 2))
    assert (layer.out_channels, layer.in_channels, layer.row_shape) == (32, 64, (64, 2, 2))
    # A 64 x 64 output; every 2 x 2 kernel is used once per pixel of the 32 x 32 input.
    assert (layer.output_positions, layer.macs) == (64 * 64, 32 * 32 * 64 * 32 * 4)
