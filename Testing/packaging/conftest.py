"""What the packaging tests share (make test-packaging)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from Testing.support.commands import run
from Testing.support.needs import skip_or_fail

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of scripted modules after configuring, building and installing the extension."""
    # Beside this Python first: an environment need not be activated.
    cmake = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
    if cmake is None:
        skip_or_fail("cmake is missing; it belongs to the extra 'test'")
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("install")
    stub = ROOT / "Testing" / "support" / "slicer_stub"
    options = [f"-DSlicer_DIR={stub}", f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DBUILD_TESTING=ON"]
    for command in ([cmake, "-S", ROOT, "-B", build, *options], [cmake, "--build", build], [cmake, "--install", build]):
        run(*command)
    return prefix / "lib" / "Slicer-5.12" / "qt-scripted-modules"


@pytest.fixture(scope="session")
def slicer_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python in a fresh environment with the packages that Slicer 5.12 brings, in its versions, and nothing else.

    DFQSAM_SLICER_PYTHON names the Python 3.12 to make it from: `make test-packaging` does.
    """
    base = os.environ.get("DFQSAM_SLICER_PYTHON")
    if base is None:
        pytest.skip("installs packages from the index: make test-packaging")
    folder = tmp_path_factory.mktemp("slicer") / "environment"
    python = folder / "bin" / "python"
    pins = ROOT / "Resources" / "slicer-5.12-constraints.txt"
    run(base, "-m", "venv", folder)
    # Of PyPI's VTK the version that slicer-core is built with.
    run(python, "-m", "pip", "install", "--quiet", "--requirement", pins, "vtk==9.6.0")
    return python
