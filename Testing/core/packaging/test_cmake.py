"""The CMake files install what Slicer needs, checked with a stand-in for Slicer's macros."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of scripted modules after configuring and installing the extension."""
    cmake = shutil.which("cmake")
    if cmake is None:
        message = "cmake is missing; it belongs to the extra 'test'"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("install")
    stub = ROOT / "Testing" / "support" / "slicer_stub"
    options = [f"-DSlicer_DIR={stub}", f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DBUILD_TESTING=ON"]
    for command in ([cmake, "-S", ROOT, "-B", build, *options], [cmake, "--install", build]):
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    return prefix / "lib" / "Slicer-5.12" / "qt-scripted-modules"


def test_every_python_file_of_the_core_is_installed(installed: Path) -> None:
    package = ROOT / "dfqsam_core"
    in_tree = {path.relative_to(package) for path in package.rglob("*.py")}
    in_slicer = {path.relative_to(installed / "dfqsam_core") for path in (installed / "dfqsam_core").rglob("*.py")}
    assert in_slicer == in_tree
    assert len(in_tree) > 20


def test_the_module_and_the_sample_are_installed(installed: Path) -> None:
    module = ROOT / "DFQSAMSlicer"
    in_tree = {path.relative_to(module) for path in module.rglob("*") if path.suffix not in (".pyc", "")}
    in_tree.remove(Path("CMakeLists.txt"))
    assert {Path("DFQSAMSlicerLib/scene.py"), Path("Resources/requirements.txt")} < in_tree
    assert not [path for path in in_tree if not (installed / path).is_file()]
    assert (installed / "dfqsam_core" / "_resources" / "SampleData" / "prompts.json").is_file()


def test_nothing_beside_the_module_looks_like_another_module(installed: Path) -> None:
    # Slicer tries every .py file in this folder as a module.
    assert [path.name for path in installed.glob("*.py")] == ["DFQSAMSlicer.py"]
