"""No file is run under conventions that nobody chose: what tells them, what does not, and what a card says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from dfqsam_core import load_model
from dfqsam_core.errors import CheckpointError, ConfigError, ModelFileError, UnknownConventionsError
from dfqsam_core.network.conventions import CONVENTIONS, MEDSAM, SAM, SAM_MED2D, conventions_named
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.model_checks import CONVENTIONS_KEY
from dfqsam_core.store.model_file import StoredModel, read_model, write_model
from Testing.support.packed import packed_toy
from Testing.support.toy import random_tensors, toy_architecture


def checkpoint(folder: Path, image_size: int, adapter_dim: int) -> Path:
    """A float checkpoint of random weights."""
    architecture = replace(toy_architecture(adapter_dim=adapter_dim), image_size=image_size)
    path = folder / "sam.safetensors"
    save_file(random_tensors(architecture, 0), path)
    return path


def packed(path: Path, **card: Any) -> Path:
    """A packed model whose card has these entries, too."""
    model = packed_toy()
    write_model(path, StoredModel(model.architecture, {**model.card, **card}, model.tensors))
    return path


def test_a_1024_pixel_file_without_adapters_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 1024, adapter_dim=0)
    with pytest.raises(UnknownConventionsError, match=r"of MedSAM have the same tensors.*--conventions") as error:
        read_checkpoint(path)
    assert isinstance(error.value, CheckpointError)
    with pytest.raises(UnknownConventionsError):
        load_model(path)
    with pytest.raises(UnknownConventionsError):
        describe_file(path)


@pytest.mark.parametrize(("name", "image_size"), [("sam", 1024), ("medsam", 1024), ("sam-med2d", 256)])
def test_what_is_said_of_it_counts(tmp_path: Path, name: str, image_size: int) -> None:
    read = read_checkpoint(checkpoint(tmp_path, 1024, adapter_dim=0), name)
    assert (read.conventions, read.architecture.image_size) == (CONVENTIONS[name], image_size)
    assert read.stated_conventions is CONVENTIONS[name]
    assert bool(read.notes) == (name == "sam-med2d")


@pytest.mark.parametrize(("image_size", "adapter_dim"), [(1024, 8), (512, 8), (512, 0), (256, 0)])
def test_others_tell_them_and_keep_their_size(tmp_path: Path, image_size: int, adapter_dim: int) -> None:
    read = read_checkpoint(checkpoint(tmp_path, image_size, adapter_dim))
    assert (read.conventions, read.stated_conventions, read.notes) == (SAM_MED2D, None, ())
    assert read.architecture.image_size == image_size


def test_what_is_only_looked_at_needs_nobodys_word(tmp_path: Path) -> None:
    described = describe_file(checkpoint(tmp_path, 1024, adapter_dim=0), is_to_run=False)
    assert described["conventions"] is None
    assert described["architecture"]["image_size"] == 1024
    assert "SAM and of MedSAM" in described["notes"][0]


def test_unknown_conventions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There are no conventions 'u-net'\. Choose from: sam-med2d, sam, medsam"):
        read_checkpoint(checkpoint(tmp_path, 256, adapter_dim=0), "u-net")


def test_one_checkpoint_by_two_conventions_has_two_digests(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 64, adapter_dim=0)
    told, sam, medsam = (load_model(path, threads=1, conventions=name) for name in (None, "sam", "medsam"))
    assert len({told.digest, sam.digest, medsam.digest}) == 3
    assert sam.digest.startswith(told.digest)
    assert (told.conventions, sam.conventions, medsam.conventions) == (SAM_MED2D, SAM, MEDSAM)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_card_of_version_2_names_them(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "m.safetensors", format_version=2, conventions=name)
    assert read_model(path).conventions is CONVENTIONS[name]
    assert load_model(path, threads=1, conventions=name).conventions is CONVENTIONS[name]
    other = next(other for other in CONVENTIONS if other != name)
    with pytest.raises(ConfigError, match=f"m.safetensors was made with the conventions {name}, not {other}"):
        load_model(path, threads=1, conventions=other)


def test_a_card_without_them_is_sam_med2ds(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.safetensors")
    assert CONVENTIONS_KEY not in read_model(path).card
    assert load_model(path, threads=1).conventions is SAM_MED2D


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "version 1 with them": ({"conventions": "sam"}, "conventions are 'sam', which its version does not have"),
    "version 2 without": ({"format_version": 2}, "conventions are None, which its version does not have"),
    "a number": ({"format_version": 2, "conventions": 3}, "conventions are 3"),
    "unknown": ({"format_version": 2, "conventions": "sam3"}, "'sam3'; this program knows sam-med2d, sam, medsam"),
    "brought to 256": (
        {"notes": ["Position tables resized linearly from 1024-pixel to 256-pixel images."]},
        "nobody had chosen them. Make it again: dfqsam quantize .* --conventions sam or medsam",
    ),
}


@pytest.mark.parametrize(("card", "message"), WRONG.values(), ids=WRONG)
def test_a_card_that_is_wrong_about_them_is_refused(tmp_path: Path, card: dict[str, Any], message: str) -> None:
    model = packed_toy()
    content = {**model.card, **card}
    text = {"dfqsam": json.dumps(content, sort_keys=True)}
    save_file(dict(model.tensors), tmp_path / "m.safetensors", text)
    with pytest.raises(ModelFileError, match=message):
        read_model(tmp_path / "m.safetensors")


def test_names_are_their_own() -> None:
    assert [conventions_named(name).name for name in CONVENTIONS] == ["sam-med2d", "sam", "medsam"]
