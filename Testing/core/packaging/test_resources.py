"""Embedded files are found, described, and carried by the wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.resources import DEMO_LABELS, DEMO_PROMPTS, DEMO_VOLUME, resource_path

ROOT = Path(__file__).resolve().parents[3]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DFQSAMError, match=r"SampleData/nothing\.nii is missing"):
        resource_path("SampleData/nothing.nii")


def test_the_sample_is_one_grid_and_every_prompt_lies_on_its_organ() -> None:
    volume, labels = (sitk.ReadImage(str(resource_path(name))) for name in (DEMO_VOLUME, DEMO_LABELS))
    assert volume.GetSize() == labels.GetSize() == (122, 101, 30)
    assert volume.GetOrigin() == labels.GetOrigin()
    array = sitk.GetArrayFromImage(labels)
    segments = json.loads(resource_path(DEMO_PROMPTS).read_text(encoding="utf-8"))["segments"]
    assert len(segments) == 5
    for segment in segments:
        corners = np.array(segment["prompts"][0]["corners"]) * (-1, -1, 1)
        (i0, j0, k0), (i1, j1, k1) = (labels.TransformPhysicalPointToIndex(corner.tolist()) for corner in corners)
        assert k0 == k1
        inside = array[k0, min(j0, j1) : max(j0, j1) + 1, min(i0, i1) : max(i0, i1) + 1] == segment["label"]
        assert np.count_nonzero(inside) == np.count_nonzero(array[k0] == segment["label"]) > 100


def test_the_wheel_carries_the_package_and_its_resources(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        check=True,
    )
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    # Slicer's own panels cannot run outside Slicer, which gets them as a module.
    places = ("dfqsam_core", "dfqsam_scene", "dfqsam_viewer")
    expected = {path.relative_to(ROOT).as_posix() for room in places for path in (ROOT / room).rglob("*.py")}
    page = {f"dfqsam_viewer/static/{path.name}" for path in (ROOT / "dfqsam_viewer" / "static").iterdir()}
    resources = {
        f"dfqsam_core/_resources/{path.relative_to(ROOT / 'Resources').as_posix()}"
        for folder in ("Models", "SampleData")
        for path in (ROOT / "Resources" / folder).iterdir()
    }
    assert expected | resources | page <= names
    assert {name.split("/")[0] for name in names} == {
        *places,
        next(n for n in names if "dist-info" in n).split("/")[0],
    }
