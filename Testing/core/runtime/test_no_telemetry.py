"""Both engines' packages report their use to their makers unless they are told not to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dfqsam_core
from dfqsam_core.runtime.engines import openvino as openvino_engine
from dfqsam_core.runtime.engines.openvino import openvino_version
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy

from .conftest import WITHOUT_OPENVINO

ENGINES = [
    "onnxruntime",
    pytest.param("openvino", marks=pytest.mark.skipif(openvino_version() is None, reason=WITHOUT_OPENVINO)),
]
# With any of these the packages are silent by themselves.
SILENT = ("CI", "GITHUB", "GITLAB", "TF_BUILD", "JENKINS", "ORT_DISABLE_TELEMETRY")


@pytest.mark.parametrize("engine", ENGINES)
def test_no_connection_is_opened_and_no_identity_is_written(engine: str, tmp_path: Path) -> None:
    """What sends keeps an identity and its queue in the home folder, from the first import on."""
    model, home = tmp_path / "toy.safetensors", tmp_path / "home"
    home.mkdir()
    write_model(model, calibrated_toy())
    code = (
        "import sys; seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if event.startswith(('socket.', 'urllib.')) else None)\n"
        "import numpy as np\n"
        "from dfqsam_core import load_model\n"
        f"load_model({str(model)!r}, 1, engine={engine!r}).encode(np.zeros((64, 64, 3), np.uint8))\n"
        f"print({engine!r} in sys.modules, 'openvino_telemetry' in sys.modules, seen)\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith((*SILENT, "XDG_"))}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home)}
    root = Path(dfqsam_core.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "True False []"
    assert not list(home.iterdir())


def test_the_package_that_sends_can_be_imported_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    there = object()
    monkeypatch.setitem(sys.modules, "openvino_telemetry", there)
    with openvino_engine._without_telemetry(), pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401
    assert sys.modules["openvino_telemetry"] is there
    monkeypatch.delitem(sys.modules, "openvino_telemetry")
    with openvino_engine._without_telemetry():
        pass
    assert "openvino_telemetry" not in sys.modules
