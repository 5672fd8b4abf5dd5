"""A console never breaks a result: encodings, closed pipes, full disks, and names of another character set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

from dfqsam_core.resources import DEMO_MODEL, resource_path
from dfqsam_core.store.model_file import write_model
from Testing.support.packed import packed_toy

# "Schädel" as Windows wrote it before UTF-8.
LATIN = os.fsdecode(b"sch\xe4del")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A volume, prompts for a segment with a Chinese name, and a model."""
    voxels = np.random.default_rng(0).integers(0, 200, (12, 10, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 3, 1])), tmp_path / "v.nii.gz")
    box = {"type": "box", "corners": [[2, 2, 1], [9, 8, 1]]}
    content = {"coordinate_system": "IJK", "segments": [{"name": "肝臓", "label": 1, "prompts": [box]}]}
    (tmp_path / "p.json").write_text(json.dumps(content), encoding="utf-8")
    write_model(tmp_path / "m.safetensors", packed_toy())
    return tmp_path


def run(*arguments: Any, encoding: str = "utf-8", **options: Any) -> subprocess.CompletedProcess:
    """`dfqsam` with these arguments, under a console of an encoding."""
    command = [sys.executable, "-m", "dfqsam_core", *map(os.fspath, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, env=environment, check=False, **options)


def segment(files: Path, output: Path, *more: Any, volume: Path | None = None, **options: Any) -> Any:
    model = files / "m.safetensors"
    return run("segment", volume or files / "v.nii.gz", files / "p.json", "-m", model, "-o", output, *more, **options)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "latin-1"])
def test_a_console_of_another_encoding_breaks_nothing(files: Path, encoding: str) -> None:
    ended = segment(files, files / "l.nii.gz", "--report", files / "r.json", encoding=encoding)
    assert ended.returncode == 0, ended.stderr
    assert b"Written: " in ended.stdout
    assert json.loads((files / "r.json").read_text(encoding="utf-8"))["segments"][0]["name"] == "肝臓"
    assert SimpleITK.ReadImage(str(files / "l.nii.gz")).GetSize() == (12, 10, 3)


def test_a_console_that_is_full_or_closed_breaks_nothing(files: Path) -> None:
    with open("/dev/full", "w") as full:
        ended = segment(files, files / "a.nii.gz", stdout=full)
    assert (ended.returncode, (files / "a.nii.gz").exists()) == (0, True)
    assert b"Standard output could not be written: No space left on device." in ended.stderr
    assert b"Traceback" not in ended.stderr
    reading, writing = os.pipe()
    os.close(reading)
    ended = segment(files, files / "b.nii.gz", stdout=writing)
    os.close(writing)
    assert (ended.returncode, (files / "b.nii.gz").exists()) == (0, True)
    assert b"BrokenPipe" not in ended.stderr
    ended = segment(files, files / "c.nii.gz", preexec_fn=lambda: (os.close(1), os.close(2)))
    assert (ended.returncode, (files / "c.nii.gz").exists()) == (0, True)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_names_that_are_no_utf8_are_read_and_written(files: Path, suffix: str) -> None:
    folder = files / LATIN
    folder.mkdir()
    plain = files / f"v{suffix}"
    image = SimpleITK.ReadImage(str(files / "v.nii.gz"))
    if suffix != ".nii.gz":
        SimpleITK.WriteImage(image, str(plain))
    plain.rename(folder / f"{LATIN}{suffix}")
    if suffix == ".nii.gz":
        SimpleITK.WriteImage(image, str(files / "v.nii.gz"))
    for result in (".nii.gz", ".nrrd", ".seg.nrrd", ".mha"):
        output, report = folder / f"l{LATIN}{result}", folder / f"{LATIN}{result}.json"
        ended = segment(files, output, "--report", report, volume=folder / f"{LATIN}{suffix}", encoding="ascii")
        assert ended.returncode == 0, ended.stderr
        output.rename(files / f"copy{result}")
        found = SimpleITK.ReadImage(str(files / f"copy{result}"))
        assert (found.GetSize(), found.GetSpacing()) == (image.GetSize(), image.GetSpacing())
        assert json.loads(report.read_text(encoding="utf-8"))["volume"]["source"] == str(folder / f"{LATIN}{suffix}")


def test_markups_in_a_file_of_such_a_name_are_a_segment(files: Path) -> None:
    point = {"position": [-5.0, -5.0, 3.0], "positionStatus": "defined"}
    markups = {"markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [point]}]}
    (files / f"{LATIN}.mrk.json").write_text(json.dumps(markups))
    output = files / "l.seg.nrrd"
    ended = run("segment", files / "v.nii.gz", files / f"{LATIN}.mrk.json", "-m", files / "m.safetensors", "-o", output)
    assert ended.returncode == 0, ended.stderr
    assert SimpleITK.ReadImage(str(output)).GetMetaData("Segment0_Name") == "sch�del"


def test_half_a_character_in_a_name_is_refused(files: Path) -> None:
    (files / "p.json").write_text((files / "p.json").read_text().replace("\\u809d", "\\ud800"))
    ended = segment(files, files / "l.seg.nrrd")
    assert (ended.returncode, (files / "l.seg.nrrd").exists()) == (2, False)
    assert b"an incomplete character" in ended.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_report_with_a_foreign_name_is_printed_into_a_pipe(tmp_path: Path, encoding: str) -> None:
    """As into a file on Windows, which has the country's code page: it ended in a traceback of UnicodeEncodeError."""
    model = tmp_path / "肝.safetensors"
    shutil.copy(resource_path(DEMO_MODEL), model)
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "dfqsam_core", "info", str(model)]
    result = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\\u809d.safetensors" in result.stdout
