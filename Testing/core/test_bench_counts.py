"""What a slice costs, in numbers that no clock moves: a change that makes it dearer has to say so here."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from safetensors.numpy import save_file

from dfqsam_core.bench.compare import changes
from dfqsam_core.bench.counts import count_file, encoder_counts
from dfqsam_core.network.macs import encoder_macs
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.encoder import build_encoder
from dfqsam_core.store.random_weights import NAMED_ARCHITECTURES
from Testing.support.packed import packed_toy
from Testing.support.packed_toy import calibrated_toy, float_toy, random_pixels

COMPACT = NAMED_ARCHITECTURES["compact"]


def test_a_slice_of_the_embedded_models_shape() -> None:
    counts = encoder_counts(packed_toy(architecture=COMPACT))
    # A byte for each weight of a product; nothing of the position tables.
    assert counts == {
        "operators": 2272,
        "integer_products": 159,
        "float_products": 144,
        "giga_macs": round(encoder_macs(COMPACT) / 1e9, 4),
        "weight_bytes": 17_375_232,
        "moved_bytes": 35_693_568,
        "written_bytes": 179_798_144,
    }


def test_floats_move_more_bytes_than_codes(tmp_path: Path) -> None:
    save_file(dict(float_toy().tensors), tmp_path / "float.safetensors")
    coded, plain = encoder_counts(calibrated_toy()), count_file(tmp_path / "float.safetensors")
    assert plain["integer_products"] == 0
    assert plain["moved_bytes"] > 1.5 * coded["moved_bytes"]
    assert plain["weight_bytes"] == 4 * coded["weight_bytes"]


@pytest.mark.parametrize("model", [calibrated_toy(), float_toy()], ids=["codes", "floats"])
def test_the_engine_writes_as_many_bytes(model) -> None:
    graph = build_encoder(model)
    file = onnx.load_from_string(graph.model)
    names = [name for node in file.graph.node if node.op_type not in ("Reshape", "Identity") for name in node.output]
    del file.graph.output[:]
    file.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = create_session(type(graph)(file.SerializeToString(), graph.weights), 1)
    values = session.run(None, {"pixels": random_pixels(model.architecture)[None]})
    counts = encoder_counts(model)
    assert counts["written_bytes"] == sum(value.nbytes for value in values)
    assert counts["operators"] >= len(names)


def test_numbers_of_two_reports_are_held_against_each_other() -> None:
    before = {"counts": {"operators": 10, "gone": 1}, "timings": {"model": {"encoder": {"cpu_ms": 20.0}}}, "runs": 5}
    now = {"counts": {"operators": 5, "new": 2}, "timings": {"model": {"encoder": {"cpu_ms": 0.0}}}, "runs": 9}
    found = list(changes(before, now))
    assert [(change.name, change.ratio) for change in found] == [
        ("counts, operators", 0.5),
        ("timings, model, encoder, cpu_ms", 0.0),
    ]
    assert next(changes(now, before)).ratio == 2
    assert list(changes(now, before))[1].ratio is None
