"""Architectures: deduced from shapes, restored from cards, refused when impossible (T5)."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from dfqsam_core.errors import CheckpointError, ConfigError, ModelFileError
from dfqsam_core.network.architecture import Architecture
from dfqsam_core.network.tensor_shapes import check_shapes, expected_shapes
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from Testing.support.toy import toy_architecture

VIT_B = NAMED_ARCHITECTURES["vit_b"]
SAM_VIT_H = Architecture(1280, 32, 16, 5120, global_attn_indexes=(7, 15, 23, 31), image_size=1024)


def test_vit_b_has_exactly_the_tensors_of_the_published_checkpoint(shared: Path) -> None:
    lines = (shared / "design" / "sam-med2d_b_state_dict.tsv").read_text().splitlines()
    published = {name: ast.literal_eval(shape) for name, shape in (line.split("\t") for line in lines)}
    assert len(published) == 386
    assert list(expected_shapes(VIT_B).items()) == list(published.items())


@pytest.mark.parametrize(
    "architecture",
    [
        *NAMED_ARCHITECTURES.values(),
        SAM_VIT_H,
        toy_architecture(adapter_dim=0),
        replace(toy_architecture(), window_size=14),
        replace(toy_architecture(), depth=1, global_attn_indexes=()),
        replace(toy_architecture(), depth=2, global_attn_indexes=(0, 1), window_size=0),
        replace(toy_architecture(), image_size=24, patch_size=4, num_heads=4),
    ],
    ids=lambda architecture: architecture.name.replace(" ", "-"),
)
def test_an_architecture_is_deduced_from_its_own_shapes(architecture: Architecture) -> None:
    assert Architecture.from_shapes(expected_shapes(architecture)) == architecture
    check_shapes(expected_shapes(architecture), architecture)


def test_names_say_family_size_and_adapters() -> None:
    assert VIT_B.name == "SAM-Med2D ViT-B with adapters"
    assert NAMED_ARCHITECTURES["compact"].name == "compact SAM-Med2D 192x12 with adapters"
    assert SAM_VIT_H.name == "SAM ViT-H"


def test_derived_sizes_of_the_toy() -> None:
    toy = toy_architecture()
    assert (toy.grid, toy.head_dim, toy.has_adapters) == (4, 16, True)
    assert [toy.window_of(block) for block in range(3)] == [3, 3, 0]


def test_a_card_restores_the_architecture() -> None:
    assert Architecture.from_dict(VIT_B.to_dict()) == VIT_B


@pytest.mark.parametrize(
    "change",
    [
        {"embed_dim": 0},
        {"embed_dim": 33},
        {"embed_dim": "32"},
        {"depth": True},
        {"depth": 10**9},
        {"out_chans": 128},
        {"image_size": 250},
        {"image_size": 48},
        {"window_size": 0},
        {"global_attn_indexes": [3]},
        {"global_attn_indexes": [2, 2]},
        {"global_attn_indexes": "2"},
        {"global_attn_indexes": [[2]]},
        {"colour": 1},
    ],
    ids=str,
)
def test_a_card_with_an_impossible_architecture_is_refused(change: dict) -> None:
    with pytest.raises(ModelFileError, match="Unknown architecture"):
        Architecture.from_dict(toy_architecture().to_dict() | change)


@pytest.mark.parametrize("card", [None, [], "toy", {}])
def test_a_card_without_an_architecture_is_refused(card: object) -> None:
    with pytest.raises(ModelFileError, match="Unknown architecture"):
        Architecture.from_dict(card)


def test_impossible_sizes_cannot_be_constructed() -> None:
    with pytest.raises(ConfigError, match="mlp_dim is -1"):
        replace(VIT_B, mlp_dim=-1)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, "found no tensors"),
        ({"backbone.conv1.weight": (64, 3, 7, 7)}, "'image_encoder.pos_embed' is missing .found 1 tensors, .*backbone"),
        ({"image_encoder.pos_embed": (1, 197, 768)}, "should have 4 dimensions"),
    ],
)
def test_other_networks_are_refused(shapes: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Architecture.from_shapes(shapes)


def test_windows_of_two_sizes_are_refused() -> None:
    shapes = expected_shapes(toy_architecture()) | {"image_encoder.blocks.1.attn.rel_pos_h": (9, 16)}
    with pytest.raises(CheckpointError, match=r"several sizes, \[3, 5\]"):
        Architecture.from_shapes(shapes)


def test_a_token_image_that_is_not_square_is_refused() -> None:
    shapes = expected_shapes(toy_architecture()) | {"image_encoder.pos_embed": (1, 4, 6, 32)}
    with pytest.raises(CheckpointError, match="4 x 6 x 32"):
        Architecture.from_shapes(shapes)


def test_an_impossible_deduction_is_a_checkpoint_error() -> None:
    shapes = expected_shapes(toy_architecture()) | {"image_encoder.neck.0.weight": (128, 32, 1, 1)}
    with pytest.raises(CheckpointError, match="out_chans is 128"):
        Architecture.from_shapes(shapes)


def test_missing_extra_and_misshapen_tensors_are_named() -> None:
    toy, shapes = toy_architecture(), expected_shapes(toy_architecture())
    adapter = [key for key in shapes if ".1.Adapter." in key]
    with pytest.raises(CheckpointError, match=r"6 tensors are missing: .*blocks.1.Adapter.norm.weight"):
        check_shapes({key: shape for key, shape in shapes.items() if key not in adapter}, toy)
    with pytest.raises(CheckpointError, match=r"1 tensors do not belong there: 'image_encoder.blocks.0.attn.lora'"):
        check_shapes(shapes | {"image_encoder.blocks.0.attn.lora": (4, 32)}, toy)
    with pytest.raises(
        CheckpointError, match=r"wrong shape: 'mask_decoder.iou_token.weight' is \(1, 128\), not \(1, 256\)"
    ):
        check_shapes(shapes | {"mask_decoder.iou_token.weight": (1, 128)}, toy)
