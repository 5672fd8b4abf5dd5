"""Damaged packed models: every kind of damage has its own sentence, and no damage ends in anything but that."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from dfqsam_core.errors import DFQSAMError, ModelFileError
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.model_file import StoredModel, read_model, write_model
from Testing.support.packed import packed_toy

QKV = "image_encoder.blocks.0.attn.qkv"
HEAD = "mask_decoder.iou_prediction_head.layers.2"
Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def toy() -> StoredModel:
    return packed_toy()


@pytest.fixture(scope="module")
def toy_bytes(toy: StoredModel, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("models") / "toy.safetensors"
    write_model(path, toy)
    return path.read_bytes()


def write_unchecked(path: Path, tensors: Tensors, card: Any) -> Path:
    text = card if isinstance(card, str) else json.dumps(card)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path, {"dfqsam": text})
    return path


def with_value(name: str, value: float, index: int = 0) -> Callable[[Tensors], None]:
    """A change that sets one value of one tensor."""

    def change(tensors: Tensors) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name].ravel()[index] = value

    return change


TENSOR_DAMAGE = {
    "missing": (lambda t: t.pop(f"{QKV}.weight.scale"), "1 tensors are missing: .*qkv.weight.scale"),
    "extra": (lambda t: t.update(surprise=np.zeros(1, np.float32)), "1 tensors are too many: surprise"),
    "codes and float": (
        lambda t: t.update({f"{QKV}.weight": np.zeros((96, 32), np.float32)}),
        "too many: .*qkv.weight",
    ),
    "shape": (
        lambda t: t.update({f"{QKV}.bias": np.zeros(95, np.float32)}),
        r"float32 \(95,\), it should be float32 \(96,\)",
    ),
    "input scale shape": (
        lambda t: t.update({f"{QKV}.input.scale": np.ones(2, np.float32)}),
        r"should be float32 \(1,\) or \(32,\)",
    ),
    "dtype": (lambda t: t.update({f"{QKV}.bias": np.zeros(96, np.uint8)}), r"is uint8 \(96,\), it should be float32"),
    "half": (lambda t: t.update({f"{QKV}.bias": np.zeros(96, np.float16)}), "is float16 .96,., it should be float32"),
    "NaN": (with_value(f"{QKV}.bias", np.nan), "qkv.bias' has values that are not finite"),
    "infinite scale": (with_value(f"{QKV}.weight.scale", np.inf), "weight.scale' has values that are not finite"),
    "scale of zero": (with_value(f"{QKV}.input.scale", 0), "has a scale of 0.0, scales are positive"),
    "negative scale": (with_value("image_encoder.blocks.1.attn.softmax.scale", -1), "has a scale of -1.0"),
    "weight zero point": (with_value(f"{QKV}.weight.zero_point", 16), "zero point of 16, out of range for 4 bits"),
    "input zero point": (with_value(f"{QKV}.input.zero_point", 200), "zero point of 200, out of range for 4 bits"),
    "key zero point": (with_value("image_encoder.blocks.1.attn.k.zero_point", 16), "zero point of 16, out of range"),
    "8-bit zero point": (with_value(f"{HEAD}.weight.zero_point", 127), "zero point of 127, at 8 bits it is 128"),
    "8-bit code 0": (with_value(f"{HEAD}.weight.codes", 0), "has the code 0, which 8-bit weights do not use"),
}


@pytest.mark.parametrize(("change", "message"), TENSOR_DAMAGE.values(), ids=TENSOR_DAMAGE)
def test_each_damaged_tensor_has_its_own_sentence(
    toy: StoredModel, tmp_path: Path, change: Callable[[Tensors], None], message: str
) -> None:
    tensors = dict(toy.tensors)
    change(tensors)
    path = write_unchecked(tmp_path / "model.safetensors", tensors, toy.card)
    with pytest.raises(ModelFileError, match=f"model.safetensors cannot be used. .*{message}"):
        read_model(path)


def with_entry(**change: Any) -> Callable[[dict], None]:
    """A change of the card's entry of a qkv layer."""
    return lambda card: next(entry for entry in card["layers"] if entry["name"] == QKV).update(change)


CARD_DAMAGE = {
    "format version": (
        lambda c: c.update(format_version=3),
        "format version 3, this program reads the versions 1 and 2",
    ),
    "version true": (lambda c: c.update(format_version=True), "format version True"),
    "no version": (lambda c: c.pop("format_version"), "format version None"),
    "architecture": (lambda c: c.update(architecture={"name": "U-Net"}), "Unknown architecture"),
    "deep": (lambda c: c["architecture"].update(depth=10**12), "Unknown architecture .*depth is 1000000000000"),
    "other depth": (lambda c: c["architecture"].update(depth=4), "tensors are missing: image_encoder.blocks.3"),
    "no layers": (lambda c: c.pop("layers"), "no table of layers"),
    "layers of numbers": (lambda c: c.update(layers=[1]), "no table of layers"),
    "unknown layer": (lambda c: c["layers"].append({"name": "x", "kind": "linear"}), "layer 'x' is unknown"),
    "unnamed layer": (lambda c: c["layers"].append({"name": ["x"]}), r"layer \['x'\] is unknown"),
    "twice": (lambda c: c["layers"].append(dict(c["layers"][0])), "is unknown, listed twice"),
    "kind": (with_entry(kind="conv"), "qkv' is unknown, listed twice or of another kind"),
    "weight bits": (with_entry(weight_bits=3), "weight_bits 3; it must be null or 4 to 8"),
    "input bits": (with_entry(input_bits=9), "input_bits 9; it must be null or 2 to 8"),
    "text bits": (with_entry(weight_bits="4"), "weight_bits '4'"),
    "float weight": (with_entry(weight_bits=None), "input codes but float weights"),
    "not what is stored": (with_entry(weight_bits=5), r"is uint8 \(96, 16\), it should be uint8 \(96, 32\)"),
}


@pytest.mark.parametrize(("change", "message"), CARD_DAMAGE.values(), ids=CARD_DAMAGE)
def test_each_damaged_card_has_its_own_sentence(
    toy: StoredModel, tmp_path: Path, change: Callable[[dict], None], message: str
) -> None:
    card = json.loads(json.dumps(toy.card))
    change(card)
    path = write_unchecked(tmp_path / "model.safetensors", dict(toy.tensors), card)
    with pytest.raises(ModelFileError, match=message):
        read_model(path)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("{", "The model card of model.safetensors is not JSON"),
        ("[" * 100_000, "The model card of model.safetensors is not JSON"),
        ("[]", "The model card is a list, not a table"),
        (" " * 2**20 + "{}", "larger than 1 MB"),
    ],
    ids=["cut", "nested", "list", "large"],
)
def test_a_card_that_is_no_card_is_refused(tmp_path: Path, card: str, message: str) -> None:
    path = write_unchecked(tmp_path / "model.safetensors", {"a": np.zeros(1, np.float32)}, card)
    with pytest.raises(ModelFileError, match=message):
        read_model(path)


def test_a_5_bit_code_out_of_range_is_refused(toy: StoredModel, tmp_path: Path) -> None:
    card = json.loads(json.dumps(toy.card))
    with_entry(weight_bits=5)(card)
    codes = np.full((96, 32), 32, np.uint8)
    path = write_unchecked(tmp_path / "model.safetensors", {**toy.tensors, f"{QKV}.weight.codes": codes}, card)
    with pytest.raises(ModelFileError, match="has the code 32, out of range for 5 bits"):
        read_model(path)


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    folder, empty, text = tmp_path / "folder", tmp_path / "empty", tmp_path / "text"
    folder.mkdir()
    empty.touch()
    text.write_text("not a model")
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "bare")
    for name, message in {
        "folder": "is a folder",
        "empty": "empty is empty",
        "missing": "missing does not exist",
        "text": "text is not a safetensors file",
        "bare": "bare has no model card",
    }.items():
        with pytest.raises(ModelFileError, match=message):
            read_model(tmp_path / name)


@pytest.mark.parametrize("kept", [9, 1000, 0.3, 0.999])
def test_a_truncated_model_is_refused(toy_bytes: bytes, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(toy_bytes[: kept if isinstance(kept, int) else int(kept * len(toy_bytes))])
    with pytest.raises(ModelFileError, match=r"model.safetensors is truncated"):
        read_model(path)


def header_of(content: bytes) -> tuple[dict, bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F32", "shape": [96], "data_offsets": [0, 380]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [-96], "data_offsets": [0, 384]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [96], "data_offsets": [0, 384]}, "is damaged"),
        ({"dtype": "F32", "shape": [96], "data_offsets": [10**15, 10**15 + 384]}, "is truncated"),
        ({"dtype": ["F32"], "shape": [96], "data_offsets": [0, 384]}, "malformed entry"),
        ({"dtype": "F32", "shape": 96, "data_offsets": [0, 384]}, "malformed entry"),
        (None, "malformed entry"),
    ],
    ids=str,
)
def test_a_header_that_contradicts_itself_is_refused(
    toy_bytes: bytes, tmp_path: Path, entry: Any, message: str
) -> None:
    header, data = header_of(toy_bytes)
    header[f"{QKV}.bias"] = entry
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    with pytest.raises(ModelFileError, match=message):
        read_model(path)


def refusal(read: Callable[[Path], Any], path: Path) -> str | None:
    """What `read` says when it refuses `path`; None when it reads it. Any other exception passes through."""
    try:
        read(path)
    except DFQSAMError as error:
        return str(error)
    return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_and_cuts_end_in_a_model_or_a_sentence(
    toy_bytes: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    start = 8 + struct.unpack("<Q", toy_bytes[:8])[0]
    content = bytearray(toy_bytes)
    places = st.one_of(st.integers(0, 7), st.integers(8, start), st.integers(start, len(content) - 1))
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    for read in (read_model, describe_file):
        sentence = refusal(read, path)
        assert sentence is None or sentence.endswith(".")
