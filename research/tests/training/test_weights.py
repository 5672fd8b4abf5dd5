from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.errors import CheckpointError  # noqa: E402
from dfqsam_core.store.file_identity import FileSource  # noqa: E402
from dfqsam_core.store.row_codes import write_rows  # noqa: E402
from research.training.checkpoints import half, load_shards, save_shards  # noqa: E402
from research.training.cli import main  # noqa: E402
from research.training.initial import salvage, start  # noqa: E402
from research.training.network import trainable  # noqa: E402
from research.training.weights import read_weights, save_start  # noqa: E402

GAUSSIAN = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


@pytest.fixture
def tensors():
    return start("tiny", None, seed=3)[0].state_dict()


def saved(tmp_path, tensors, left_out=()):
    path = tmp_path / "start.safetensors"
    save_start(tensors, left_out, path)
    return path


def test_complete_weights_fill_every_tensor(tmp_path, tensors):
    model, _ = start("tiny", saved(tmp_path, tensors))
    assert all(torch.equal(value, tensors[name].half().float()) for name, value in model.state_dict().items())


def test_the_shipped_form_of_8_bits_a_row_fills_every_tensor(tmp_path, tensors):
    path = tmp_path / "rows.safetensors"
    write_rows(path, {name: value.numpy() for name, value in tensors.items()}, {"images": "12"})
    model, weights = start("tiny", path)
    assert weights.images == 12
    for name, value in model.state_dict().items():
        row_maximum = value.flatten(1).abs().amax(1).max() if value.ndim > 1 else value.abs().max()
        assert (value - tensors[name]).abs().max() <= row_maximum / 250, name


def test_weights_without_the_position_matrix_are_refused(tmp_path, tensors):
    # A run once started from the trained tensors alone: this matrix stayed random and ten minutes were lost.
    del tensors[GAUSSIAN]
    with pytest.raises(CheckpointError, match=f"1 missing .{GAUSSIAN}"):
        start("tiny", saved(tmp_path, tensors))


def test_a_tensor_of_another_shape_is_refused(tmp_path, tensors):
    tensors["image_encoder.neck.0.weight"] = torch.zeros(256, 7, 1, 1)
    with pytest.raises(CheckpointError, match=r"of another shape \(image_encoder.neck.0.weight \(256, 7, 1, 1\), not"):
        start("tiny", saved(tmp_path, tensors))


def test_an_unknown_tensor_is_refused(tmp_path, tensors):
    with pytest.raises(CheckpointError, match="1 unknown"):
        start("tiny", saved(tmp_path, tensors | {"typo": torch.zeros(1)}))


def test_what_a_file_leaves_out_on_purpose_starts_at_random(tmp_path, tensors):
    kept = {name: value for name, value in tensors.items() if "Adapter" not in name}
    model, _ = start("tiny", saved(tmp_path, kept, left_out=("Adapter",)), seed=4)
    fresh = start("tiny", None, seed=4)[0].state_dict()
    name = "image_encoder.blocks.0.Adapter.spatial.0.weight"
    assert torch.equal(model.state_dict()[name], fresh[name])


@pytest.fixture
def a_laboratory_average(tmp_path, tensors):
    base = saved(tmp_path, tensors)
    model, _ = start("tiny", base)
    trained = {name: value.detach() + 1 for name, value in trainable(model, "laboratory").items()}
    facts = {"kind": "tiny", "images": 12, "base_sha256": FileSource.of(base).sha256}
    save_shards(tmp_path / "average", half(trained), facts, 15)
    return base, tmp_path / "average"


def test_an_average_of_the_trained_tensors_is_completed_by_its_base(a_laboratory_average, tensors):
    base, average = a_laboratory_average
    model, found = start("tiny", average, base)
    frozen, trained = "image_encoder.blocks.0.attn.qkv.weight", "mask_decoder.iou_token.weight"
    assert torch.equal(model.state_dict()[frozen], tensors[frozen].half().float())
    assert torch.equal(model.state_dict()[trained], (tensors[trained].half().float() + 1).half().float())
    assert (found.images, found.base_sha256) == (12, FileSource.of(base).sha256)


def test_an_average_refuses_another_base_or_none(a_laboratory_average, tmp_path, tensors):
    _, average = a_laboratory_average
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(CheckpointError, match="was not trained from"):
        read_weights(average, saved(other, {name: value + 1 for name, value in tensors.items()}))
    with pytest.raises(CheckpointError, match="--base"):
        read_weights(average)


def test_what_is_left_of_an_average_is_a_start_that_names_what_it_lost(a_laboratory_average, tmp_path, tensors):
    base, average = a_laboratory_average
    shards = {n: v for n, v in load_shards(average)[0].items() if "blocks.1.Adapter" not in n and "neck.0" not in n}
    without = {n: v for n, v in tensors.items() if "blocks.1.Adapter" not in n and "neck.0" not in n}
    base = saved(tmp_path, without, ("blocks.1.Adapter", "neck.0"))
    save_shards(average, shards, {"kind": "tiny", "images": 12, "base_sha256": FileSource.of(base).sha256}, 15)
    other = tmp_path / "decoder.safetensors"
    save_start({name: value - 1 for name, value in tensors.items()}, (), other)
    weights, left_out = salvage(average, base, other, "tiny")
    adapter, token = "image_encoder.blocks.0.Adapter.norm.weight", "mask_decoder.iou_token.weight"
    assert torch.equal(weights[adapter].half(), (tensors[adapter].half().float() + 1).half())
    assert torch.equal(weights[token].half(), (tensors[token] - 1).half())
    assert "image_encoder.neck.0.weight" in left_out
    assert all("blocks.1.Adapter" in name or name == "image_encoder.neck.0.weight" for name in left_out)


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"\x10\x00\x00\x00\x00\x00\x00\x00{broken json}   "])
def test_the_command_line_answers_a_damaged_file_with_one_line(tmp_path, capsys, content):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    assert main(["train", "tiny", "--steps", "1", "--out", str(tmp_path / "run"), "--weights", str(path)]) == 2
    assert "Give a .safetensors file" in capsys.readouterr().err


def test_the_command_line_names_a_file_that_is_not_there(tmp_path, capsys):
    lost = tmp_path / "lost.npz"
    line = ["train", "tiny", "--steps", "1", "--out", str(tmp_path / "run"), "--random-start", "--device", "cpu"]
    assert main([*line, "--bank", str(lost)]) == 2
    assert f"{lost}: No such file" in capsys.readouterr().err


def test_a_start_from_noise_has_to_be_asked_for(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["train", "tiny", "--steps", "1", "--out", str(tmp_path / "run")])
    assert "--random-start" in capsys.readouterr().err


def test_the_file_lists_what_it_leaves_out(tmp_path, tensors):
    from safetensors import safe_open

    with safe_open(saved(tmp_path, tensors, left_out=("Adapter", "rel_pos")), "pt") as archive:
        assert json.loads(archive.metadata()["left_out"]) == ["Adapter", "rel_pos"]
