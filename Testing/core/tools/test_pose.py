"""Posing as a lesser processor: the engine's integers stay exact where full bytes would saturate."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from dfqsam_core.errors import ConfigError
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy
from tools import performance_measure
from tools.bench import pose


def test_other_systems_are_told_why_they_cannot_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigError, match="Linux on x86-64 only"):
        pose.run_posing("avx2", ["--help"])


@pytest.mark.skipif(sys.platform != "linux" or pose.platform.machine() != "x86_64", reason="posing needs Linux on x86")
def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="C compiler"):
        pose.run_posing("avx2", ["--help"])


def test_only_real_instructions_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    # The bytes of CPUID twice: as an instruction at 0x1002, and inside another one at 0x1005.
    library.write_bytes(b"head" + b"\x90\x90\x0f\xa2\x90\x0f\xa2\x00")

    class Output:
        def __init__(self, option: str) -> None:
            headers = b" 11 .text  00000008  0000000000001000  0000000000001000  00000004  2**4\n"
            code = b"    1000:\tnop\n    1002:\tcpuid\n    1004:\tnop\n    1005:\tmov\n"
            self.stdout = headers if option == "-h" else code

    monkeypatch.setattr(pose.subprocess, "run", lambda command, **_: Output(command[1]))
    assert pose._without_cpuid(library) == b"head" + b"\x90\x90\x0f\x0b\x90\x0f\xa2\x00"


@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("objdump")), reason="needs a C compiler and objdump")
@pytest.mark.skipif(sys.platform != "linux" or pose.platform.machine() != "x86_64", reason="posing needs Linux on x86")
def test_a_posing_program_runs(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    write_model(path, calibrated_toy())
    report = tmp_path / "report.json"
    line = ["rivals", str(path), "--threads", "1", "--runs", "1", "--simulate", "avx2"]
    assert performance_measure.main([*line, "-o", str(report)]) == 0
    result = json.loads(report.read_text())
    assert result["simulated"] == "avx2"
    # OpenVINO would not pose.
    assert result["ratios"] == {}


@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("objdump")), reason="needs a C compiler and objdump")
@pytest.mark.skipif(sys.platform != "linux" or pose.platform.machine() != "x86_64", reason="posing needs Linux on x86")
def test_what_a_posing_program_unpacks_is_not_kept_for_this_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "toy.safetensors", tmp_path / "told"
    write_model(path, calibrated_toy())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code = (
        "import sys\nfrom pathlib import Path\nfrom dfqsam_core.runtime import model\n"
        "from dfqsam_core.base.system.folders import user_cache_folder\n"
        "model._LEAST_CACHED_BYTES = 0\nmodel.load_model(sys.argv[1], threads=1)\n"
        "Path(sys.argv[2]).write_text(str(len(list(user_cache_folder().iterdir()))))\n"
    )
    assert pose.run_posing("avx2", ["-c", code, str(path), str(told)]) == 0
    assert told.read_text() == "1"
    assert not (tmp_path / "cache").exists()
