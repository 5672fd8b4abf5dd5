"""A packed model is what was written: changed bits are found, and a card's figures are those of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from dfqsam_core.errors import ModelFileError
from dfqsam_core.runtime import load_model
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.model_file import StoredModel, read_model, write_model
from dfqsam_core.store.tensor_digest import tensors_digest
from Testing.support.packed import packed_toy


@pytest.fixture(scope="module")
def toy() -> StoredModel:
    return packed_toy()


def write_with_card(path: Path, toy: StoredModel, card: dict[str, Any]) -> Path:
    save_file(dict(toy.tensors), path, {"dfqsam": json.dumps(card)})
    return path


def test_bits_flipped_anywhere_in_the_tensors_are_found(toy: StoredModel, tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    write_model(path, toy)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    for place in rng.integers(start, len(content), 50):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(ModelFileError, match=r"toy.safetensors cannot be used"):
            read_model(path)
    path.write_bytes(content)
    assert describe_file(path)["tensors"] == "as they were written"


def test_a_flipped_bit_of_a_plausible_value_has_its_own_sentence_at_every_door(
    toy: StoredModel, tmp_path: Path
) -> None:
    name = "image_encoder.blocks.0.norm1.weight"
    changed = {key: value.copy() for key, value in toy.tensors.items()}
    changed[name][3] += 0.25
    path = tmp_path / "toy.safetensors"
    save_file(changed, path, {"dfqsam": json.dumps(toy.card)})
    for door in (read_model, describe_file, load_model):
        with pytest.raises(ModelFileError, match="bits of the file have changed"):
            door(path)


def test_a_file_made_before_there_were_digests_opens_and_says_so(toy: StoredModel, tmp_path: Path) -> None:
    card = {key: value for key, value in toy.card.items() if key != "tensors_sha256"}
    path = write_with_card(tmp_path / "old.safetensors", toy, card)
    assert load_model(path).is_quantized
    assert describe_file(path)["tensors"] == "of unknown state: the file has no digest of them"


def test_the_digest_is_that_of_the_tensors_as_another_library_reads_them(toy: StoredModel, tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    written = write_model(path, toy)
    with safe_open(path, "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys(), reverse=True)}
    assert tensors_digest(tensors) == written.card["tensors_sha256"] == read_model(path).card["tensors_sha256"]


@pytest.mark.parametrize("change", ["value", "name", "shape", "dtype"])
def test_the_digest_tells_everything_about_a_tensor(change: str) -> None:
    tensor = np.arange(6, dtype=np.float32).reshape(2, 3)
    other = {
        "value": {"a": tensor + (tensor == 5)},
        "name": {"b": tensor},
        "shape": {"a": tensor.reshape(3, 2)},
        "dtype": {"a": tensor.view(np.int32)},
    }[change]
    assert tensors_digest(other) != tensors_digest({"a": tensor})
    assert tensors_digest({"a": tensor.T.copy().T}) == tensors_digest({"a": tensor})


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        *((name, None) for name in ("source", "recipe", "seed", "versions", "measured", "licence", "limits")),
        ("seed", "0"),
        ("recipe", []),
        ("licence", {"a": [[[]]] * 10_000}),
        ("tensors_sha256", 5),
        ("source", {"file_name": "a", "sha256": 5, "bytes": 1}),
    ],
)
def test_a_card_without_what_every_card_has_is_refused(
    toy: StoredModel, tmp_path: Path, entry: str, value: Any
) -> None:
    card = {**toy.card, entry: value}
    if value is None:
        del card[entry]
    path = write_with_card(tmp_path / "lacking.safetensors", toy, card)
    for door in (read_model, load_model):
        with pytest.raises(ModelFileError, match=r"The model card's") as refusal:
            door(path)
        assert len(str(refusal.value)) < 400


def test_a_card_that_is_nested_deeply_is_refused(toy: StoredModel, tmp_path: Path) -> None:
    deep: Any = 0
    for _ in range(100):
        deep = {"a": [deep]}
    path = write_with_card(tmp_path / "deep.safetensors", toy, {**toy.card, "extra": deep})
    with pytest.raises(ModelFileError, match="nested more than 16 times"):
        describe_file(path)


def test_figures_that_the_file_can_tell_are_counted_and_not_believed(toy: StoredModel, tmp_path: Path) -> None:
    figures = ("sizes", "effective_bits_per_weight", "weight_storage", "bit_operations")
    lies = {name: {"total": 1} for name in figures}
    path = write_with_card(tmp_path / "lies.safetensors", toy, {**toy.card, **lies, "architecture_name": "ViT-H"})
    honest = json.loads(json.dumps(toy.card))
    assert read_model(path).card == load_model(path).card == honest
    without = {key: value for key, value in toy.card.items() if key not in lies}
    assert read_model(write_with_card(tmp_path / "bare.safetensors", toy, without)).card == honest
