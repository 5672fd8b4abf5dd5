"""The tool behind the embedded models, on a toy network: both files, their card, and what counts as the same model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from dfqsam_core.errors import CheckFailed, DFQSAMError
from dfqsam_core.quant import QuantConfig
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.model_file import StoredModel, read_model, write_model
from Testing.support.checkpoint_file import write_toy_checkpoint
from tools import embedded_models

FLOAT, PACKED = "sam-med2d_demo.safetensors", "sam-med2d_demo-w4a4.safetensors"
QUICK = QuantConfig.from_recipe("fast", images=1, iterations=1)


def folder_with_card(path: Path) -> Path:
    """A folder like Resources/Models before anything was written into it."""
    path.mkdir()
    (path / "sam-med2d_demo.md").write_text(f"# card\n\n| {FLOAT} | 0 | |\n| {PACKED} | 1 | x |\n\nmore\n")
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both models of a toy checkpoint with their card."""
    place = tmp_path_factory.mktemp("embedded")
    folder = folder_with_card(place / "Models")
    embedded_models.write_models(write_toy_checkpoint(place), folder, QUICK)
    return folder


def changed(written: Path, path: Path, **card: object) -> Path:
    """The packed model with one code changed and with other entries of its card."""
    model = read_model(written / PACKED)
    tensors = {name: np.array(tensor) for name, tensor in model.tensors.items()}
    tensors["mask_decoder.iou_token.weight"][0, 0] += 1
    write_model(path, StoredModel(model.architecture, {**model.card, **card}, tensors))
    return path


def test_both_files_and_their_lines_of_the_card_are_written(written: Path) -> None:
    assert set(read_checkpoint(written / FLOAT).storage) == {"8 bits a row", "float16"}
    assert read_model(written / PACKED).card["source"] == FileSource.of(written / FLOAT).to_dict()
    text = (written / "sam-med2d_demo.md").read_text()
    for name in (FLOAT, PACKED):
        path = written / name
        assert f"| {name} | {path.stat().st_size} | {FileSource.of(path).sha256} |\n" in text
    assert text.startswith("# card\n\n")
    assert text.endswith("\n\nmore\n")
    assert {path.name for path in written.iterdir()} == {FLOAT, PACKED, "sam-med2d_demo.md"}


def test_written_again_from_the_float_file_both_have_the_same_bytes(written: Path, tmp_path: Path) -> None:
    folder = folder_with_card(tmp_path / "Models")
    embedded_models.write_models(written / FLOAT, folder, QUICK)
    assert [(folder / name).read_bytes() == (written / name).read_bytes() for name in (FLOAT, PACKED)] == [True, True]
    assert "the same tensor bytes" in embedded_models.compared(written / PACKED, folder / PACKED)


def test_other_bytes_on_the_same_versions_are_a_fault(written: Path, tmp_path: Path) -> None:
    again = changed(written, tmp_path / PACKED)
    with pytest.raises(CheckFailed, match="other bytes on the same versions"):
        embedded_models.compared(written / PACKED, again)


def test_on_another_processor_the_masks_decide(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = read_model(written / PACKED).card["versions"] | {"instruction_set": "of tomorrow"}
    again = changed(written, tmp_path / PACKED, versions=versions)
    monkeypatch.setattr(embedded_models, "LEAST_DICE", 0.0)
    said = embedded_models.compared(written / PACKED, again)
    found = re.search(r"mean Dice of ([\d.]+); made with other instruction_set \(.*, of tomorrow\)", said)
    assert found is not None
    monkeypatch.setattr(embedded_models, "LEAST_DICE", float(found[1]) + 0.01)
    with pytest.raises(CheckFailed, match="was expected"):
        embedded_models.compared(written / PACKED, again)


def test_another_float_file_is_named(written: Path, tmp_path: Path) -> None:
    source = replace(FileSource.of(written / FLOAT), sha256="0" * 64).to_dict()
    with pytest.raises(CheckFailed, match="from another float file"):
        embedded_models.compared(written / PACKED, changed(written, tmp_path / PACKED, source=source))


def test_a_card_without_the_lines_is_refused(written: Path, tmp_path: Path) -> None:
    folder = folder_with_card(tmp_path / "Models")
    (folder / "sam-med2d_demo.md").write_text("# card\n")
    with pytest.raises(DFQSAMError, match="has no line for"):
        embedded_models.write_models(written / FLOAT, folder, QUICK)
