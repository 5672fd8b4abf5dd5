"""The two embedded models belong together: the packed one was made from the float one beside it, by today's recipe.

`make reproduce` makes the packed one again, which takes minutes; here all of it is made again that needs no images.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.evaluate import compare_models
from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, resource_path
from dfqsam_core.runtime import load_model
from dfqsam_core.store.checkpoint import read_checkpoint
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.model_file import read_model


@pytest.fixture(scope="module")
def float_path() -> Path:
    return resource_path(DEMO_CHECKPOINT)


@pytest.fixture(scope="module")
def packed_path() -> Path:
    return resource_path(DEMO_MODEL)


def test_the_card_names_both_files_as_they_are(float_path: Path, packed_path: Path) -> None:
    text = float_path.with_suffix(".md").read_text(encoding="utf-8")
    for path in (float_path, packed_path):
        content = path.read_bytes()
        row = re.search(rf"^\| {re.escape(path.name)} \| (\d+) \| (\w+) \|$", text, re.MULTILINE)
        assert row is not None
        assert row.groups() == (str(len(content)), hashlib.sha256(content).hexdigest())


def test_the_float_one_is_stored_in_8_bits_a_row(float_path: Path) -> None:
    storage = read_checkpoint(float_path).storage
    assert storage["8 bits a row"] > 0.8 * sum(storage.values())
    assert float_path.stat().st_size < 26e6


def test_the_packed_one_was_made_from_it_by_the_default_recipe(float_path: Path, packed_path: Path) -> None:
    pytest.importorskip("torch")
    from dfqsam_core.quant import QuantConfig

    card = read_model(packed_path).card
    assert card["source"] == FileSource.of(float_path).to_dict()
    assert card["recipe"] == QuantConfig.from_recipe("default", seed=0).to_dict()
    assert {"dfqsam", "torch", "numpy", "scipy", "instruction_set"} == set(card["versions"])
    assert packed_path.stat().st_size < 14.5e6


def test_the_programs_open_the_packed_one(packed_path: Path) -> None:
    model = load_model(packed_path, threads=1)
    assert model.is_quantized
    assert model.card is not None
    assert {layer["weight_bits"] for layer in model.card["layers"] if layer["name"].endswith(".mlp.lin1")} >= {4}


def test_what_needs_no_images_is_made_again_to_the_last_bit(float_path: Path, packed_path: Path) -> None:
    pytest.importorskip("torch")
    from dfqsam_core.model import SamMed2D
    from dfqsam_core.quant import QuantConfig
    from dfqsam_core.quant.export import round_float_layers
    from dfqsam_core.quant.plan import NetworkPlan

    model, packed = SamMed2D.from_checkpoint(float_path), read_model(packed_path)
    made = round_float_layers(model, NetworkPlan.of(model.architecture, QuantConfig.from_recipe("default")))
    assert len(made) > 30
    for name, (codes, scale, zero_point) in made.items():
        np.testing.assert_array_equal(packed.weight_codes(name), (codes - zero_point[:, None]).numpy(), err_msg=name)
        np.testing.assert_array_equal(packed.tensors[f"{name}.weight.scale"], scale.numpy(), err_msg=name)
    floats = read_checkpoint(float_path).tensors
    kept = [name for name in floats if name in packed.tensors and not name.startswith("image_encoder.")]
    assert len(kept) > 50
    for name in kept:
        np.testing.assert_array_equal(packed.tensors[name], floats[name], err_msg=name)


def test_its_boxes_answer_as_the_float_ones(float_path: Path, packed_path: Path) -> None:
    [row] = compare_models(packed_path, float_path, prompts=["box"], threads=1)["rows"]
    assert row["objects"] > 50
    assert row["agreement"]["mean"] > 0.96
    assert row["drop"]["mean"] < 0.01
