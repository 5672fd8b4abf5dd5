"""A model file is described by a child: the same words as here, and an end for files that never end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from dfqsam_core.errors import DFQSAMError, ModelFileError
from dfqsam_core.progress import Cancelled, Progress
from dfqsam_core.store.description import describe_file
from dfqsam_scene.jobs.file_description import describe_file_in_process
from Testing.support.checkpoint_file import write_toy_checkpoint


def test_the_child_says_what_this_process_would_say(tmp_path: Path) -> None:
    path = write_toy_checkpoint(tmp_path, name="-toy.safetensors")
    assert describe_file_in_process(path, python=sys.executable) == describe_file(path)


def test_a_refusal_has_the_same_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no model")
    with pytest.raises(DFQSAMError) as here:
        describe_file(tmp_path / "text.pth")
    with pytest.raises(ModelFileError) as there:
        describe_file_in_process(tmp_path / "text.pth", python=sys.executable)
    assert str(there.value) == str(here.value)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(os.name != "posix", reason="the slow interpreter is a shell script")
def test_a_child_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    slow, mark = tmp_path / "python", tmp_path / "child"
    slow.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {mark}\nwait\n")
    slow.chmod(0o755)
    with pytest.raises(ModelFileError, match=r"Reading a.pth took more than 2 s and was stopped"):
        describe_file_in_process(tmp_path / "a.pth", timeout_seconds=2, python=str(slow))
    # A killed process is gone when the system next looks at it, which a busy one does later.
    until = time.monotonic() + 30
    while is_running(int(mark.read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(int(mark.read_text()))


@pytest.mark.skipif(os.name != "posix", reason="the interpreter that dies is a shell script")
def test_a_child_that_dies_or_talks_nonsense_is_told(tmp_path: Path) -> None:
    for number, program in enumerate(("kill -9 $$", "echo nonsense", "exit 1")):
        python = tmp_path / f"python{number}"
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
        with pytest.raises(ModelFileError, match=r"Reading a.pth ended without an answer"):
            describe_file_in_process(tmp_path / "a.pth", python=str(python))


@pytest.mark.skipif(os.name != "posix", reason="the slow interpreter is a shell script")
def test_a_reading_that_is_not_wanted_any_more_ends_at_once(tmp_path: Path) -> None:
    slow, mark = tmp_path / "python", tmp_path / "child"
    slow.write_text(f"#!/bin/sh\necho $$ > {mark}\nexec sleep 600\n")
    slow.chmod(0o755)

    def report(_: Progress) -> None:
        if mark.exists() and mark.read_text():
            raise Cancelled

    with pytest.raises(Cancelled):
        describe_file_in_process(tmp_path / "a.pth", python=str(slow), report=report)
    # A killed process is gone when the system next looks at it, which a busy one does later.
    until = time.monotonic() + 30
    while is_running(int(mark.read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(int(mark.read_text()))
