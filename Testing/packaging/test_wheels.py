"""What the module installs into Slicer's Python has wheels for each system, by pip; `tools/check_wheels.py` asks uv.

Needs a package index, so it runs only with `make test-packaging`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from Testing.support.commands import run

ROOT = Path(__file__).resolve().parents[2]
# pip takes each tag as it is: it does not know that a newer system runs what was built for an older one.
TAGS = {
    "Linux": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "Windows": ("win_amd64",),
    "macOS": ("macosx_13_0_arm64",),
}


@pytest.mark.skipif("DFQSAM_SLICER_PYTHON" not in os.environ, reason="asks a package index: make test-packaging")
@pytest.mark.parametrize("system", TAGS)
def test_segmenting_in_slicer_needs_no_compiler(system: str, tmp_path: Path) -> None:
    requirements = ROOT / "DFQSAMSlicer" / "Resources" / "requirements.txt"
    tags = [word for tag in TAGS[system] for word in ("--platform", tag)]
    options = ("--python-version", "312", "--implementation", "cp", "--only-binary", ":all:", "--no-deps")
    words = ("install", "--dry-run", "--ignore-installed", "--target", tmp_path, *options, *tags, "-r", requirements)
    said = run(sys.executable, "-m", "pip", *words)
    [found] = [line for line in said.splitlines() if line.startswith("Would install")]
    assert {word.rsplit("-", 1)[0] for word in found.split()[2:]} == {
        "onnxruntime",
        "onnx",
        "safetensors",
        "platformdirs",
    }
