"""The demonstration, with a toy network in place of the embedded one so that it takes seconds."""

from __future__ import annotations

import json
import os
import shlex
import struct
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from safetensors.numpy import save_file

from dfqsam_core.cli.demo import view_command
from dfqsam_core.cli.main import main
from dfqsam_core.demo import run as demo
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_VOLUME, resource_path
from dfqsam_core.store.description import describe_file
from dfqsam_core.store.random_weights import random_tensors
from Testing.support.commands import run
from Testing.support.toy import toy_architecture


@pytest.fixture
def toy_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model is replaced by a random toy network."""
    path = tmp_path / "toy.safetensors"
    save_file({name: np.ascontiguousarray(t) for name, t in random_tensors(toy_architecture(), 0).items()}, path)
    monkeypatch.setattr(demo, "resource_path", lambda name: path if name == DEMO_CHECKPOINT else resource_path(name))


@pytest.fixture
def embedded_model() -> Path:
    """The real embedded model; a checkout without it skips, CI fails."""
    try:
        return resource_path(DEMO_CHECKPOINT)
    except DFQSAMError as error:
        pytest.fail(str(error)) if os.environ.get("CI") == "true" else pytest.skip(str(error))


@pytest.mark.usefixtures("toy_model")
def test_it_leaves_model_label_maps_picture_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "folder"
    assert main(["demo", "--output", str(output), "--threads", "1", "--progress", "none"]) == 0
    names = {demo.MODEL, demo.LABELS, demo.SEGMENTS, demo.FLOAT_LABELS, demo.OVERLAY, demo.REPORT, demo.REPORT_TEXT}
    assert {path.name for path in output.iterdir()} == names
    volume, labels = nibabel.load(resource_path(DEMO_VOLUME)), nibabel.load(output / demo.LABELS)
    np.testing.assert_array_equal(volume.affine, labels.affine)
    assert set(np.unique(np.asanyarray(labels.dataobj))) <= {0, 1, 2, 3, 5, 31}
    report = json.loads((output / demo.REPORT).read_text())
    assert [organ["organ"] for organ in report["organs"]] == [
        "liver",
        "spleen",
        "kidney_right",
        "kidney_left",
        "vertebra_L1",
    ]
    assert report["bytes"]["packed"] == (output / demo.MODEL).stat().st_size
    width, height = struct.unpack(">II", (output / demo.OVERLAY).read_bytes()[16:24])
    assert width > 1000
    assert height > 1000
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    assert describe_file(output / demo.MODEL)["kind"] == "packed model"


@pytest.mark.usefixtures("toy_model")
def test_it_refuses_to_replace_anything_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / demo.OVERLAY).write_bytes(b"mine")
    assert main(["demo", "--output", str(tmp_path / "out"), "--progress", "none"]) == 2
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [demo.OVERLAY]
    assert (tmp_path / "out" / demo.OVERLAY).read_bytes() == b"mine"


def test_the_command_that_opens_the_result_runs_from_any_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    words = shlex.split(view_command(tmp_path).splitlines()[0])
    program = words[: words.index("view")]
    assert run(*program, "--version", cwd=Path(__file__).resolve().parents[2]).startswith("dfqsam ")


def test_the_command_is_short_where_the_path_leads_to_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dfqsam").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert view_command(tmp_path).startswith(shlex.quote(sys.executable)), "another environment's dfqsam"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert view_command(tmp_path).startswith("dfqsam view ")


def test_the_embedded_model_is_a_sam_med2d_with_its_card_beside_it(embedded_model: Path) -> None:
    described = describe_file(embedded_model)
    assert described["kind"] == "float checkpoint"
    assert described["architecture"]["image_size"] == 256
    assert described["architecture"]["adapter_dim"] > 0
    assert "Demonstration only" in embedded_model.with_suffix(".md").read_text(encoding="utf-8")
    assert embedded_model.stat().st_size < 60e6
