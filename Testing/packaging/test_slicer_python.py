"""In Slicer 5.12's Python: our packages come beside Slicer's and change none, and segmenting gives the same voxels.

Needs a package index and minutes, so it runs only with `make test-packaging`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_LABELS, DEMO_MODEL, DEMO_PROMPTS, DEMO_VOLUME, resource_path
from Testing.support.commands import run

# What Slicer itself or another extension would miss first.
SLICERS = {"numpy", "scipy", "simpleitk", "vtk", "pydicom", "pillow", "requests", "packaging", "typing_extensions"}
OURS = {"onnxruntime", "onnx", "safetensors", "platformdirs"}
# Plays Slicer 5.12's package installer with the real pip: the same words in, the same command line out.
INSTALL = """
import subprocess, sys, types
slicer, packaging = types.ModuleType("slicer"), types.ModuleType("slicer.packaging")
def pip_ensure(requirements, constraints, prompt_install, requester):
    words = [str(requirement) for requirement in requirements]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "-c", str(constraints), *words], check=True)
packaging.pip_ensure = pip_ensure
sys.modules.update({"slicer": slicer, "slicer.packaging": packaging})
from DFQSAMSlicerLib import dependencies
asked = []
assert dependencies.ensure(lambda text: asked.append(text) or True), "something is still missing"
print(asked[0])
"""


def versions(python: Path) -> dict[str, str]:
    """What `pip list` says."""
    listed = json.loads(run(python, "-m", "pip", "list", "--format", "json"))
    return {package["name"].lower(): package["version"] for package in listed}


@pytest.fixture(scope="module")
def change(slicer_python: Path, installed: Path) -> tuple[dict[str, str], dict[str, str], str]:
    """Versions before and after the button Install…, and what was asked; with the installed extension."""
    before = versions(slicer_python)
    asked = run(slicer_python, "-c", INSTALL, env=os.environ | {"PYTHONPATH": str(installed)})
    return before, versions(slicer_python), asked


def test_nothing_of_slicers_changes(change: tuple[dict[str, str], dict[str, str], str]) -> None:
    before, after, _ = change
    assert set(before) >= SLICERS
    assert not set(before) & OURS
    assert {name: after[name] for name in before} == before


def test_what_is_added_is_what_was_announced(change: tuple[dict[str, str], dict[str, str], str]) -> None:
    before, after, asked = change
    added = set(after) - set(before)
    assert added >= OURS
    assert not [name for name in added if name.replace("-", "_") not in asked.replace("-", "_")]
    assert "torch" not in after


def test_pip_has_no_complaint(change: tuple[dict[str, str], dict[str, str], str], slicer_python: Path) -> None:
    assert "No broken requirements" in run(slicer_python, "-m", "pip", "check")


def test_segmenting_there_gives_the_same_label_map(
    change: tuple[dict[str, str], dict[str, str], str], slicer_python: Path, installed: Path, tmp_path: Path
) -> None:
    # Slicer's Python has no nibabel; Slicer itself reads NIfTI.
    volume = tmp_path / "ct.nrrd"
    sitk.WriteImage(sitk.ReadImage(str(resource_path(DEMO_VOLUME))), str(volume))
    words = ["-m", "dfqsam_core", "segment", volume, resource_path(DEMO_PROMPTS), "-m", resource_path(DEMO_MODEL)]
    there, here = tmp_path / "there.nrrd", tmp_path / "here.nrrd"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    run(slicer_python, *words, "-o", there, "--progress", "json", env=environment, cwd=tmp_path)
    run(sys.executable, *words, "-o", here, "--progress", "json")
    first, second = (sitk.ReadImage(str(path)) for path in (there, here))
    assert np.count_nonzero(sitk.GetArrayViewFromImage(first)) > 1000
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second))
    assert first.GetDirection() == second.GetDirection()
    assert first.GetOrigin() == second.GetOrigin()


def test_comparing_works_there_without_rich_for_bars_and_tables(
    change: tuple[dict[str, str], dict[str, str], str], slicer_python: Path, installed: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, source in (("image.nrrd", DEMO_VOLUME), ("label.nrrd", DEMO_LABELS)):
        sitk.WriteImage(sitk.ReadImage(str(resource_path(source)))[:, :, 12:16], str(data / name))
    model, report = resource_path(DEMO_MODEL), tmp_path / "report.json"
    words = ["verify", model, "--reference", model, "--data", data, "--prompts", "box", "--report", report]
    run(slicer_python, "-m", "dfqsam_core", *words, env=os.environ | {"PYTHONPATH": str(installed)}, cwd=tmp_path)
    [row] = json.loads(report.read_text())["rows"]
    assert row["objects"] > 3
    assert row["agreement"]["mean"] == 1


def test_the_estimate_of_a_quantization_needs_no_torch_there(
    change: tuple[dict[str, str], dict[str, str], str], slicer_python: Path, installed: Path, tmp_path: Path
) -> None:
    from Testing.support.checkpoint_file import write_toy_checkpoint

    words = ["quantize", write_toy_checkpoint(tmp_path), "-o", tmp_path / "packed.safetensors", "--dry-run"]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    said = run(slicer_python, "-m", "dfqsam_core", *words, env=environment, cwd=tmp_path)
    assert "encoder codes" in said
    assert not (tmp_path / "packed.safetensors").exists()
