"""What a stranger's model file is, found out by a process that can be stopped and that takes only itself down."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfqsam_core
from dfqsam_core.base.system.children import children
from dfqsam_core.errors import ModelFileError
from dfqsam_core.progress import Progress, ProgressCallback

from .child_process import python_executable

# The published checkpoint of 2.6 GB is read in a tenth of this from a slow disk.
DEFAULT_SECONDS = 120.0
_ASK_SECONDS = 0.2


def describe_file_in_process(
    path: Path,
    timeout_seconds: float = DEFAULT_SECONDS,
    python: str | None = None,
    report: ProgressCallback = lambda progress: None,
) -> dict[str, Any]:
    """Return what `describe_file` says of `path`, in a child that is killed after `timeout_seconds`; blocks meanwhile.

    python: the interpreter, None for `python_executable()`. report: called often; what it raises ends the child.
    Raises ModelFileError with the reason for a file that is no model, and where the child takes too long, is killed or
    gives no answer; OSError when Python cannot be started.
    """
    process = subprocess.Popen(
        [python or python_executable(), "-m", "dfqsam_core", "info", "--json", "--", str(Path(path).absolute())],
        # `-m` looks for modules here: inside Slicer the package is in no place that Python knows by itself.
        cwd=Path(dfqsam_core.__file__).resolve().parents[1],
        env=os.environ | {"PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **children().options(),
    )
    try:
        answer, reason = _answer(process, timeout_seconds, lambda: report(Progress("reading", 0, 0)))
    except subprocess.TimeoutExpired:
        raise ModelFileError(
            f"Reading {path.name} took more than {timeout_seconds:.0f} s and was stopped. Get another copy of the file."
        ) from None
    finally:
        _end(process)
    if process.returncode == 0:
        with contextlib.suppress(ValueError):
            return dict(json.loads(answer))
    said = reason.strip().splitlines()
    if process.returncode == 2 and said:
        raise ModelFileError(said[-1])
    raise ModelFileError(f"Reading {path.name} ended without an answer ({process.returncode}). Get another copy.")


def _answer(process: subprocess.Popen[str], timeout_seconds: float, report: Callable[[], None]) -> tuple[str, str]:
    ends = time.monotonic() + timeout_seconds
    while True:
        report()
        try:
            return process.communicate(timeout=min(_ASK_SECONDS, max(ends - time.monotonic(), 0)))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= ends:
                raise


def _end(process: subprocess.Popen[str]) -> None:
    """End the child with PythonSlicer's real Python below it, where it still runs."""
    if process.poll() is not None:
        return
    children().end(process)
    process.communicate()
