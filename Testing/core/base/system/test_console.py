"""A name that the console cannot show does not end the program."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dfqsam_core.base.system.console import never_fail_to_print

from dfqsam_core.resources import DEMO_MODEL, resource_path


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


def test_streams_of_other_programs_are_left_alone() -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    never_fail_to_print([None, io.StringIO(), object(), plain])
    plain.write("肝")
    assert plain.errors == "backslashreplace"
