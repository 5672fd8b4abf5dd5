"""Runs a program as if on a lesser processor: the engine is told that wide instructions are missing.

The engine asks the processor what it can with CPUID. A copy of its library has these instructions replaced by ones that
trap, and a small handler, compiled on the spot, answers with fewer features. torch has settings of its own for this.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dfqsam_core.errors import ConfigError

POSES = ("avx-vnni", "avx2")
_VARIABLE = "DFQSAM_POSE"
_CPUID, _TRAP = b"\x0f\xa2", b"\x0f\x0b"
_ADDRESS = re.compile(rb"^\s*([0-9a-f]+):\s+cpuid", re.MULTILINE)
_SECTION = re.compile(rb" \.text\s+[0-9a-f]+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)")
_TORCH_SETTINGS = {
    "avx-vnni": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


def is_posing() -> bool:
    """Return whether this process was started by `run_posing`."""
    return _VARIABLE in os.environ


def run_posing(pose: str, arguments: Sequence[str]) -> int:
    """Run Python with `arguments` in a process that poses as a processor with `pose` at best; its exit code.

    pose: "avx-vnni" (Intel since the 12th generation) or "avx2" (older Intel, Zen 2 and 3). What the process unpacks is
    for that processor and goes with it: its cache is a folder of its own.
    Raises ConfigError where this cannot be done.
    """
    compiler = _require_tools()
    with tempfile.TemporaryDirectory(prefix="dfqsam-pose-") as name:
        folder = Path(name)
        handler = folder / "pose.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", handler, source], check=True)
        _copy_engine(folder)
        paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        settings = {_VARIABLE: pose, "LD_PRELOAD": str(handler), "PYTHONPATH": paths}
        settings |= {"XDG_CACHE_HOME": str(folder / "cache")} | _TORCH_SETTINGS[pose]
        return subprocess.run([sys.executable, *arguments], check=False, env=os.environ | settings).returncode


def _require_tools() -> str:
    """The C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    # As a text, so that the types of the lines below are checked for every system.
    system = str(sys.platform)
    if system != "linux" or platform.machine() != "x86_64":
        raise ConfigError(f"Posing works on Linux on x86-64 only, this is {system} on {platform.machine()}.")
    if compiler is None or shutil.which("objdump") is None:
        raise ConfigError("Posing needs a C compiler (cc) and objdump. Install gcc and binutils.")
    return compiler


def _copy_engine(folder: Path) -> None:
    """Put the package onnxruntime into `folder`, its library changed and the rest linked."""
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None, "a dependency of this package"
    assert spec.origin is not None, "it has an __init__.py"
    original, copy = Path(spec.origin).parent, folder / "onnxruntime"
    shutil.copytree(original, copy, ignore=shutil.ignore_patterns("*.so*", "__pycache__", "transformers", "tools"))
    for library in original.glob("capi/*.so*"):
        (copy / "capi" / library.name).write_bytes(_without_cpuid(library))


def _without_cpuid(library: Path) -> bytes:
    content = bytearray(library.read_bytes())
    headers = subprocess.run(["objdump", "-h", library], check=True, capture_output=True).stdout
    section = _SECTION.search(headers)
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], check=True, capture_output=True).stdout
    if section is None:
        return bytes(content)
    start, offset = (int(number, 16) for number in section.groups())
    for address in _ADDRESS.findall(code):
        place = int(address, 16) - start + offset
        if content[place : place + 2] == _CPUID:
            content[place : place + 2] = _TRAP
    return bytes(content)
