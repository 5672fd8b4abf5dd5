"""The whole call: same bytes from the same seed, resumable, reading the checkpoint only, and refusing bad input."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

torch = pytest.importorskip("torch")

from dfqsam_core.errors import CheckpointError, ConfigError, OutputError  # noqa: E402
from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.progress import Cancelled, Progress  # noqa: E402
from dfqsam_core.quant import QuantConfig, estimate, quantize  # noqa: E402
from dfqsam_core.quant.pipeline import pack  # noqa: E402
from dfqsam_core.quant.synthesis.work_folder import FINGERPRINT  # noqa: E402
from dfqsam_core.quant.worth import worth_of  # noqa: E402
from dfqsam_core.store.model_file import read_model  # noqa: E402
from Testing.support.finished import wait_for  # noqa: E402
from Testing.support.quantized import toy_checkpoint, toy_checkpoint_file, toy_config, toy_pixels  # noqa: E402
from Testing.support.toy import random_tensors, toy_architecture  # noqa: E402


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    outputs = [tmp_path / f"{name}.safetensors" for name in "abc"]
    quantize(checkpoint, outputs[0], toy_config(), threads=1)
    quantize(checkpoint, outputs[1], toy_config(), threads=2)
    quantize(checkpoint, outputs[2], QuantConfig.from_recipe("fast", seed=1, images=2, iterations=2))
    assert digest(outputs[0]) == digest(outputs[1])
    assert digest(outputs[0]) != digest(outputs[2])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.safetensors",
        "b.safetensors",
        "c.safetensors",
        "toy.safetensors",
    ]


def test_report_and_card_tell_what_was_done(tmp_path: Path) -> None:
    report = quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", toy_config())
    card = read_model(tmp_path / "m.safetensors").card
    assert report["card"] == card
    assert report["output"]["sha256"] == digest(tmp_path / "m.safetensors")
    assert QuantConfig.from_dict(card["recipe"]) == toy_config()
    assert card["seed"] == 0
    assert {"synthesis", "calibration"} <= set(report["seconds"])


def test_the_card_of_default_says_what_its_minutes_have_been_worth(tmp_path: Path) -> None:
    config = QuantConfig.from_recipe("default", images=1, iterations=1)
    quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", config, threads=1)
    assert read_model(tmp_path / "m.safetensors").card["worth"] == worth_of(config) != ""


KILLED_RUN = """
import sys
from pathlib import Path
from dfqsam_core.quant import quantize
from Testing.support.quantized import toy_config
quantize(sys.argv[1], sys.argv[2], toy_config(images=2, iterations=40), threads=1, work_dir=Path(sys.argv[3]),
         resume=sys.argv[4] == "resume")
"""


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    checkpoint, work = toy_checkpoint_file(tmp_path), tmp_path / "work"
    command = [sys.executable, "-c", KILLED_RUN, checkpoint, tmp_path / "killed.safetensors", work]
    run = subprocess.Popen([*map(str, command), "anew"], cwd=Path(__file__).parents[3])
    try:
        wait_for(lambda: list(work.glob("image_*.safetensors")), 60)
    finally:
        run.kill()
    assert run.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed.safetensors").exists()
    subprocess.run([*map(str, command), "resume"], check=True, cwd=Path(__file__).parents[3])
    quantize(checkpoint, tmp_path / "whole.safetensors", toy_config(images=2, iterations=40), threads=1)
    assert digest(tmp_path / "killed.safetensors") == digest(tmp_path / "whole.safetensors")
    assert not work.exists()


def test_only_the_checkpoint_and_own_outputs_are_opened_and_no_socket(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    checkpoint = toy_checkpoint_file(source)
    quantize(checkpoint, out / "warm.safetensors", toy_config())
    opened: set[str] = set()
    sockets: list[str] = []
    listening = True

    def listen(event: str, arguments: tuple) -> None:
        if listening and event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            opened.add(os.path.abspath(os.fsdecode(arguments[0])))
        if listening and event.startswith("socket."):
            sockets.append(event)

    sys.addaudithook(listen)
    try:
        quantize(checkpoint, out / "m.safetensors", toy_config(), preview_dir=out / "preview")
    finally:
        listening = False
    assert str(checkpoint) in opened
    strangers = [
        p for p in opened if p != str(checkpoint) and not p.startswith(str(out)) and not p.startswith(sys.prefix)
    ]
    imports = (".py", ".pyc", ".zip", ".so")
    assert not [p for p in strangers if not p.endswith(imports)]
    assert not sockets


def test_cancelling_leaves_no_output_and_a_folder_to_resume_from(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        quantize(
            toy_checkpoint_file(tmp_path),
            tmp_path / "m.safetensors",
            toy_config(iterations=30),
            threads=1,
            progress=_stop_in_synthesis,
        )
    assert not (tmp_path / "m.safetensors").exists()
    assert (tmp_path / "m.safetensors.work").is_dir()


@pytest.mark.parametrize(("iterations", "left"), [(0, []), (2, ["m.safetensors.work"])])
def test_cancelled_before_writing_it_keeps_a_folder_only_where_there_is_something_to_resume_from(
    tmp_path: Path, iterations: int, left: list[str]
) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "write":
            raise Cancelled

    with pytest.raises(Cancelled):
        quantize(
            toy_checkpoint_file(tmp_path),
            tmp_path / "m.safetensors",
            toy_config(images=1, iterations=iterations),
            progress=stop,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == [*left, "toy.safetensors"]


def test_an_existing_output_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", toy_config())
    assert (tmp_path / "m.safetensors").read_text() == "precious"


def test_a_work_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    long = toy_config(iterations=30)
    with pytest.raises(Cancelled):
        quantize(
            checkpoint,
            tmp_path / "m.safetensors",
            long,
            threads=1,
            work_dir=tmp_path / "w",
            progress=_stop_in_synthesis,
        )
    with pytest.raises(ConfigError, match="another checkpoint, recipe, seed"):
        quantize(checkpoint, tmp_path / "m.safetensors", toy_config(iterations=3), work_dir=tmp_path / "w", resume=True)
    marker = tmp_path / "w" / FINGERPRINT
    facts = json.loads(marker.read_text())
    # As if other rules of evolution had made the first steps, or if they had begun with other paintings.
    for other in ({"evolution": facts["evolution"] | {"joining": 3}}, {"painted": ["tissue"]}):
        marker.write_text(json.dumps(facts | other))
        with pytest.raises(ConfigError, match="another checkpoint, recipe, seed"):
            quantize(checkpoint, tmp_path / "m.safetensors", long, work_dir=tmp_path / "w", resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("mine")
    with pytest.raises(ConfigError, match="other files"):
        quantize(checkpoint, tmp_path / "m.safetensors", toy_config(), work_dir=tmp_path / "full")
    assert (tmp_path / "full" / "thesis.docx").read_text() == "mine"


def _stop_in_synthesis(progress: Progress) -> None:
    if progress.stage == "synthesis" and progress.done >= 22:
        raise Cancelled("stop")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"bits": 3}, "4 to 8"), ({"images": 0}, "images"), ({"iterations": -1}, "iterations"), ({"seed": -1}, "seed")],
)
def test_settings_out_of_range_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        QuantConfig.from_recipe("fast", **changes)


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="default, fast, nearest, paper"):
        QuantConfig.from_recipe("best")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(toy_checkpoint_file(tmp_path))
    name = "image_encoder.blocks.1.mlp.lin1.weight"
    tensors[name] = np.where(np.arange(tensors[name].size).reshape(tensors[name].shape) == 7, np.nan, tensors[name])
    save_file(tensors, tmp_path / "nan.safetensors")
    with pytest.raises(CheckpointError, match=r"mlp\.lin1"):
        quantize(tmp_path / "nan.safetensors", tmp_path / "m.safetensors", toy_config())


def test_estimating_writes_nothing(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    estimated = estimate(checkpoint, QuantConfig.from_recipe("default"))
    assert estimated["bytes"]["encoder_codes"] > 0
    assert estimated["estimated_seconds"]["synthesis"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["toy.safetensors"]


def test_paper_recipe_leaves_transposed_convolutions_in_float_and_says_so(tmp_path: Path) -> None:
    quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", toy_config(images=1, recipe="paper"))
    model = read_model(tmp_path / "m.safetensors")
    assert not model.is_quantized("image_encoder.blocks.0.Adapter.spatial.2")
    assert model.is_quantized("image_encoder.blocks.0.Adapter.spatial.0")
    assert any("auxiliary segmenter" in line for line in model.card["recipe"]["departures"])


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dfqsam_core.store.model_file as model_file

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    checkpoint = toy_checkpoint_file(tmp_path)
    monkeypatch.setattr(model_file, "save_file", no_space)
    with pytest.raises(OutputError, match="No space left"):
        quantize(checkpoint, tmp_path / "m.safetensors", toy_config(), work_dir=tmp_path / "w")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy.safetensors", "w"]


def test_a_run_that_fails_at_once_leaves_no_work_folder(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint_file(tmp_path)
    config = QuantConfig.from_recipe("fast", auxiliary=str(checkpoint))
    with pytest.raises(ConfigError, match="not a TorchScript file"):
        quantize(checkpoint, tmp_path / "m.safetensors", config)
    assert [p.name for p in tmp_path.iterdir()] == ["toy.safetensors"]


def test_float_weights_are_let_go_as_layers_get_codes() -> None:
    """They once stayed until the end: a gigabyte of ViT-B."""
    model, checkpoint = SamMed2D.from_checkpoint(toy_checkpoint()), toy_checkpoint()
    blocks = len(model.image_encoder.blocks)
    weights = [weakref.ref(block.mlp.lin1.weight) for block in model.image_encoder.blocks]
    alive = []

    def count(progress: Progress) -> None:
        gc.collect()
        alive.append(sum(weight() is not None for weight in weights))

    pack(model, toy_pixels(), toy_config(recipe="default"), checkpoint.source, progress=count)
    assert (alive[0], alive[-1]) == (blocks, 0)
    assert set(alive) == set(range(blocks + 1))


@pytest.mark.parametrize("layer", ["attn.qkv", "mlp.lin1", "Adapter.spatial.0"])
def test_weights_that_overflow_are_refused_with_the_place(tmp_path: Path, layer: str) -> None:
    """They once ended in the error of a matrix factorization."""
    tensors = random_tensors(toy_architecture(), 3)
    tensors[f"image_encoder.blocks.1.{layer}.weight"] *= np.float32(1e20)
    save_file(tensors, tmp_path / "diverged.safetensors")
    config = toy_config(images=1, iterations=0, recipe="default")
    with pytest.raises(CheckpointError, match=r"input of image_encoder.blocks.1\..* take another"):
        quantize(tmp_path / "diverged.safetensors", tmp_path / "m.safetensors", config)
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize("table", ["pos_embed", "blocks.1.attn.rel_pos_h"])
def test_position_tables_that_float16_cannot_hold_are_refused_by_name(tmp_path: Path, table: str) -> None:
    """They once were said to overflow in a layer that has nothing wrong."""
    tensors = random_tensors(toy_architecture(), 3)
    tensors[f"image_encoder.{table}"] *= np.float32(1e7)
    save_file(tensors, tmp_path / "diverged.safetensors")
    config = toy_config(images=1, iterations=0)
    with pytest.raises(CheckpointError, match=rf"position table image_encoder\.{table} reaches .*float16"):
        quantize(tmp_path / "diverged.safetensors", tmp_path / "m.safetensors", config)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_weights_that_overflow_are_refused_at_the_first_step_of_an_image(tmp_path: Path) -> None:
    """All images were once made of what is no number, kept for --resume, and another layer was blamed."""
    tensors = random_tensors(toy_architecture(), 3)
    tensors["image_encoder.blocks.1.norm1.weight"] *= np.float32(1e25)
    save_file(tensors, tmp_path / "diverged.safetensors")
    config = toy_config(images=1, iterations=2, recipe="default")
    with pytest.raises(CheckpointError, match=r"synthetic image 1 overflow.*take another"):
        quantize(tmp_path / "diverged.safetensors", tmp_path / "m.safetensors", config)
    assert [path.name for path in tmp_path.iterdir()] == ["diverged.safetensors"]


def test_previews_show_the_images_on_the_way(tmp_path: Path) -> None:
    quantize(
        toy_checkpoint_file(tmp_path),
        tmp_path / "m.safetensors",
        toy_config(images=1, iterations=25),
        preview_dir=tmp_path / "p",
    )
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == [
        "image_000_step_0020.png",
        "image_000_step_0025.png",
    ]


def test_no_threads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 threads"):
        quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", toy_config(), threads=0)
    with pytest.raises(ConfigError, match="-1 threads"):
        estimate(toy_checkpoint_file(tmp_path), toy_config(), threads=-1)


def test_a_run_with_another_auxiliary_segmenter_of_the_same_name_is_another_run(tmp_path: Path) -> None:
    """Its labels would otherwise join those of the first."""
    path, config = tmp_path / "segmenter.pt", toy_config(images=1, iterations=30)
    config = replace(config, synthesis=replace(config.synthesis, auxiliary=str(path)))

    def go(resume: bool, progress: object = None) -> None:
        torch.jit.script(torch.nn.Conv2d(1, 3, 1)).save(str(path))
        quantize(checkpoint, tmp_path / "m.safetensors", config, threads=1, resume=resume, progress=progress)

    checkpoint = toy_checkpoint_file(tmp_path)
    with pytest.raises(Cancelled):
        go(resume=False, progress=_stop_in_synthesis)
    with pytest.raises(ConfigError, match="belongs to another"):
        go(resume=True)


def test_the_card_says_where_an_auxiliary_segmenter_was_not_asked(tmp_path: Path) -> None:
    path, config = tmp_path / "segmenter.pt", toy_config(images=1, iterations=0)
    torch.jit.script(torch.nn.Conv2d(1, 3, 1)).save(str(path))
    config = replace(config, synthesis=replace(config.synthesis, auxiliary=str(path)))
    card = quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", config)["card"]
    assert any("auxiliary segmenter was not asked" in note for note in card["notes"])


def test_an_estimate_refuses_what_the_run_would(tmp_path: Path) -> None:
    config = QuantConfig.from_recipe("default", auxiliary=str(tmp_path / "absent.pt"))
    with pytest.raises(ConfigError, match=r"absent\.pt does not exist"):
        estimate(toy_checkpoint_file(tmp_path), config)


def test_the_card_names_an_auxiliary_segmenter_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "segmenter.pt"
    torch.jit.script(torch.nn.Conv2d(1, 3, 1)).save(str(path))
    config = toy_config()
    config = replace(config, synthesis=replace(config.synthesis, auxiliary=str(path)))
    card = quantize(toy_checkpoint_file(tmp_path), tmp_path / "m.safetensors", config)["card"]
    assert card["recipe"]["synthesis"]["auxiliary"]["file_name"] == "segmenter.pt"
    assert str(tmp_path) not in str(card)
