"""A few hundred mutated files of every format; `python tools/fuzz_files.py` does thousands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
FORMATS = ("nifti", "nrrd", "metaimage", "dicom", "prompts", "markups", "model", "session", "table")
FORMATS += ("checkpoint", "header", "rows", "card", "work", "scene")
# What a reader must not do, and what the fuzzer says of it.
FAULTS = {
    "open('/etc/hosts').close()": "Touched: open",
    "open('../new', 'w')": "Touched: open",
    "os.remove('../outside.raw')": "Touched: os.remove",
    "shutil.rmtree('../full')": "Touched: open",
    "pickle.loads(b'cbuiltins\\nlen\\n.')": "Touched: pickle.find_class",
    "socket.create_connection(('127.0.0.1', 9))": "Touched: socket",
    "bytearray(2**33)": "MemoryError",
    "int('x')": "ValueError",
    "time.sleep(60)": "Timeout",
    "os.abort()": "Aborted",
}
FAULTY = """
import os, pickle, shutil, socket, sys, time
sys.path.insert(0, {tools!r})
import fuzz_files
calls = []
def read(path):
    calls.append(path)
    if len(calls) > 1:  # the first is the sample itself
        {fault}
fuzz_files._SECONDS = 1
fuzz_files.FORMATS["table"] = fuzz_files.Format(fuzz_files.FORMATS["table"].samples, (b"x",), read)
sys.exit(fuzz_files.main(["--child", ".", "--format", "table", "--count", "1"]))
"""


def fuzz(*options: str | int) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "tools/fuzz_files.py", *map(str, options)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files_are_read_or_refused(name: str) -> None:
    ended = fuzz("--format", name, "--count", 300, "--seed", 1)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = re.fullmatch(rf"{name}: (\d+) read, (\d+) refused\n", ended.stdout)
    assert found
    assert sum(map(int, found.groups())) == 300
    # Mutations too wild or too tame would test nothing.
    assert min(map(int, found.groups())) > 0


def test_the_same_number_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fuzz("--format", "nrrd", "--first", 17, "--count", 1, "--keep", tmp_path / name)
    fuzz("--format", "nrrd", "--first", 18, "--count", 1, "--keep", tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_that_does_wrong_is_found(fault: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "outside.raw").write_bytes(b"precious")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    program = FAULTY.format(tools=str(ROOT / "tools"), fault=fault)
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert FAULTS[fault] in ended.stderr
    assert (tmp_path / "outside.raw").read_bytes() == b"precious"
    assert (tmp_path / "full" / "file").exists()
    assert not (tmp_path / "new").exists()


def test_mutations_depend_on_the_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    from fuzz_files import mutated

    content = b"sizes: 3 4 5\n" * 20
    first, second = (mutated(content, np.random.default_rng(5), (b"nan",)) for _ in range(2))
    assert first == second
    assert first != content
