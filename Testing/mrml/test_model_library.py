"""The list of models on this computer: what is in it, what is refused, and that no file is ever touched; no scene."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.errors import DFQSAMError
from dfqsam_scene.jobs import library as model_library
from dfqsam_scene.jobs.library import ModelLibrary, card_text, describe
from Testing.support.checkpoint_file import write_toy_checkpoint


@pytest.fixture
def library(tmp_path):
    """A library whose folder does not exist yet."""
    return ModelLibrary(tmp_path / "data")


def listed(library):
    """What a person listed."""
    return [model for model in library.models() if not model.is_embedded]


def test_reading_the_list_writes_nothing(library):
    library.models()
    assert not library.folder.exists()


def test_a_model_is_listed_with_its_hash_and_found_by_another_slicer(library, model_file):
    entry, description = describe(model_file)
    assert entry.sha256 == hashlib.sha256(model_file.read_bytes()).hexdigest()
    library.add(entry)
    library.add(entry)
    [found] = listed(ModelLibrary(library.folder))
    assert (found.name, found.kind, found.bytes) == (model_file.name, "packed model", model_file.stat().st_size)
    assert found.state == ""
    assert description["card"]["format_version"] >= 1


def test_a_float_checkpoint_can_be_listed_too(library, tmp_path):
    library.add(describe(write_toy_checkpoint(tmp_path))[0])
    assert [model.kind for model in listed(library)] == ["float checkpoint"]


def test_the_embedded_model_comes_first_and_cannot_leave(library, model_file, monkeypatch):
    monkeypatch.setattr(model_library, "embedded_models", lambda: (model_file,))
    entry, _ = describe(model_file)
    assert entry.is_embedded
    library.add(entry)
    library.remove(entry.path)
    assert [(model.path, model.is_embedded) for model in library.models()] == [(str(model_file), True)]


def test_without_the_embedded_model_the_list_still_works(library, model_file, monkeypatch):
    monkeypatch.setattr(model_library, "embedded_models", lambda: ())
    library.add(describe(model_file)[0])
    assert [model.path for model in library.models()] == [str(model_file)]


def test_removing_leaves_the_file(library, model_file):
    before = model_file.read_bytes()
    library.add(describe(model_file)[0])
    library.remove(str(model_file))
    assert listed(library) == []
    assert model_file.read_bytes() == before


def test_a_file_that_went_away_or_changed_says_so_and_stays_listed(library, model_file):
    library.add(describe(model_file)[0])
    with model_file.open("ab") as file:
        file.write(b"x")
    assert "has changed" in listed(library)[0].state
    model_file.unlink()
    assert "is gone" in listed(library)[0].state


def test_other_files_are_refused_with_a_reason(tmp_path):
    picture = tmp_path / "picture.safetensors"
    picture.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DFQSAMError, match="PNG"):
        describe(picture)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["path", "kind", "sha256", "bytes", "x"]), inner),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_whatever_the_list_holds_it_is_a_list_or_a_sentence(value, as_models):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models.json").write_text(json.dumps({"models": [value]} if as_models else value))
        with contextlib.suppress(DFQSAMError):
            assert all(isinstance(model.state, str) for model in ModelLibrary(Path(folder)).models())


@pytest.mark.parametrize("text", ["{", "[]", '{"models": [{"path": 1}]}', '{"models": 3}'])
def test_a_damaged_list_is_named_and_not_overwritten(library, model_file, text):
    library.folder.mkdir()
    index = library.folder / "models.json"
    index.write_text(text)
    with pytest.raises(DFQSAMError, match=r"models\.json"):
        library.models()
    with pytest.raises(DFQSAMError, match="untouched"):
        library.add(describe(model_file)[0])
    assert index.read_text() == text


def test_new_models_never_take_a_name_that_is_taken(library, tmp_path):
    first = library.new_model_path(tmp_path / "sam-med2d_b.pth", 4)
    assert first == library.models_folder / "sam-med2d_b-w4a4.safetensors"
    first.touch()
    assert library.new_model_path(tmp_path / "sam-med2d_b.pth", 4).name == "sam-med2d_b-w4a4-2.safetensors"


def test_the_card_is_readable_and_complete(model_file):
    _, description = describe(model_file)
    text = card_text(description)
    assert "intended_use: Research on and teaching" in text
    assert "effective_bits_per_weight:" in text
    assert json.loads(json.dumps(description)) == description


def test_the_folder_is_this_users_own():
    pytest.importorskip("platformdirs")
    folder = model_library.data_folder()
    assert folder.is_absolute()
    assert folder.name == "DFQSAMSlicer"
