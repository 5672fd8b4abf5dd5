"""Errors become exit codes and one sentence; progress and reports have one shape."""

from __future__ import annotations

import argparse
import ast
import errno
import json
import signal
from pathlib import Path

import pytest

from dfqsam_core.base.installation import install_command
from dfqsam_core.base.outputs import write_json
from dfqsam_core.cli import console
from dfqsam_core.cli.console import guarded, progress_callback, say
from dfqsam_core.cli.main import VERBS
from dfqsam_core.cli.tables import print_table
from dfqsam_core.errors import CheckFailed, OutputError, VolumeError
from dfqsam_core.progress import Cancelled, Progress, report


def failing_with(error: BaseException) -> int:
    """Exit code of a verb that raises `error`."""

    def run(args: argparse.Namespace) -> int:
        raise error

    return guarded(run, argparse.Namespace())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (VolumeError("The volume has no voxels."), 2, "The volume has no voxels."),
        (CheckFailed("Dice drops by 9."), 3, "Dice drops by 9."),
        (Cancelled(), 130, "Cancelled."),
        (KeyboardInterrupt(), 130, "Cancelled."),
        (MemoryError(), 2, "ran out of memory"),
        (RuntimeError("[enforce fail] can't allocate memory: you tried 9 bytes"), 2, "ran out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 2, "/x/y: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "a.nii"), 2, "a.nii: Permission denied"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2, install_command("quantize")),
        (ModuleNotFoundError("No module named 'jinja2'", name="jinja2"), 2, install_command("evaluate")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_a_user_can_cause_is_one_sentence(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing_with(error) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ModuleNotFoundError("no", name="nonsense"), KeyError("x")]
)
def test_a_defect_keeps_its_traceback(error: BaseException) -> None:
    with pytest.raises(type(error)):
        failing_with(error)


def test_progress_as_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_callback(argparse.Namespace(progress="json")) as progress:
        report(progress, "synthesis", 3, 16, "image 3")
        report(progress, "calibration", 0, 0)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {"stage": "synthesis", "done": 3, "total": 16, "message": "image 3"}
    assert lines[1] == {"stage": "calibration", "done": 0, "total": 0, "message": ""}


def test_progress_as_bars_names_each_stage_once_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_callback(argparse.Namespace(progress="bars")) as progress:
        for done in range(3):
            report(progress, "synthesis", done, 2)
        report(progress, "writing [x]", 1, 1)
    shown = capsys.readouterr()
    assert shown.err.count("synthesis") == 1
    assert "writing [x]" in shown.err
    assert shown.out == ""


def test_an_interrupt_stops_at_the_next_report() -> None:
    with progress_callback(argparse.Namespace(progress="none")) as progress:
        progress(Progress("a", 0, 1))
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Cancelled):
            progress(Progress("a", 1, 1))


def test_a_second_interrupt_stops_at_once_and_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), progress_callback(argparse.Namespace(progress="none")):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_report_has_no_numbers_that_json_lacks(tmp_path: Path) -> None:
    write_json(tmp_path / "r.json", {"a": float("nan"), "b": [float("inf"), 1.5], 3: "dé"})
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == {"a": None, "b": [None, 1.5], "3": "dé"}


def test_a_report_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_json(path, {"a": 1})
    with pytest.raises(OutputError, match="--force"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    write_json(path, {"a": 2}, force=True)
    assert json.loads(path.read_text()) == {"a": 2}


STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\ud800"


def test_what_steers_a_terminal_is_shown_and_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"liver{STEERING}\tand\nspleen")
    print_table(("name",), [(f"liver{STEERING}",)])
    assert failing_with(VolumeError(f"Wrong: {STEERING}")) == 2
    assert failing_with(OSError(errno.ENOENT, "No such file", f"/x{STEERING}")) == 2
    with progress_callback(argparse.Namespace(progress="bars")) as progress:
        report(progress, "reading", 1, 1, STEERING)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "]0;owned" in text
        assert text.replace("\n", "").replace("\t", "").isprintable()


def test_json_that_was_made_readable_is_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    say(json.dumps({"name": STEERING + "Leber äöü"}, indent=2, ensure_ascii=False))
    text = capsys.readouterr().out
    assert text.isascii() is False
    assert json.loads(text) == {"name": STEERING + "Leber äöü"}


def test_verbs_print_in_one_place() -> None:
    verbs = {module.__name__.rpartition(".")[2] for module in VERBS}
    for path in Path(console.__file__).parent.glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printed = any(isinstance(function, ast.Name) and function.id == "print" for function in calls)
        assert not (printed and path.stem in verbs), path.name
