"""Children are asked and ended with what they started: really on this system, by stand-ins on Windows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfqsam_core.base.system.children import children
from dfqsam_core.base.system.windows_break import send_break, stop
from dfqsam_core.base.system.windows_children import WindowsChildren
from Testing.support.finished import wait_for

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and shells of Linux and macOS")
# Goes on when it is asked to stop, and says so.
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\n"
    "time.sleep(30); print('survived')\n"
)


def start(*words: str) -> subprocess.Popen[str]:
    """A child as the product starts its own."""
    return subprocess.Popen(words, stdout=subprocess.PIPE, encoding="utf-8", **children().options())


def first_line(process: subprocess.Popen[str]) -> str:
    """What the child, or what it started, says first."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@needs_posix
def test_a_child_ends_when_it_is_asked() -> None:
    with start(sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)") as process:
        assert first_line(process) == "ready"
        children().ask(process)
        assert process.wait() == -signal.SIGTERM


@needs_posix
def test_what_a_launcher_started_is_ended_although_the_launcher_is_gone() -> None:
    """PythonSlicer is such a launcher: it ended when it was asked, and the deaf Python behind it was never killed."""
    with start("sh", "-c", '"$0" -c "$1" & wait', sys.executable, DEAF) as process:
        assert first_line(process) == "ready"
        children().ask(process)
        assert process.wait() != 0
        children().end(process)
        # The pipe ends with the last one who holds it.
        assert first_line(process) == ""


@needs_posix
def test_a_child_that_is_gone_can_be_asked_again() -> None:
    with start(sys.executable, "-c", "") as process:
        process.wait()
        children().ask(process)
        children().end(process)
        assert process.returncode == 0


class Process:
    """A child of which only the number, the command and the end are known."""

    def __init__(self, exit_code: int | None = None) -> None:
        self.pid, self.args, self.exit_code = 4711, ["PythonSlicer.exe", "-m", "dfqsam_core", "quantize"], exit_code

    def poll(self) -> int | None:
        return self.exit_code


def commands_of(act: Callable[[WindowsChildren, Any], None], process: Process) -> list[list[str]]:
    """What Windows is told to run."""
    started = []

    def begin(command: list[str], **options: Any) -> None:
        # None of them may open a window, wait for input, or be hit by what it sends.
        assert options["creationflags"] == 0x08000200
        assert options["stdin"] == options["stdout"] == subprocess.DEVNULL
        assert (Path(options["cwd"]) / "dfqsam_core").is_dir()
        started.append(command)

    act(WindowsChildren(begin), process)
    return started


def test_on_windows_a_helper_asks_and_the_system_ends() -> None:
    module = "dfqsam_core.base.system.windows_break"
    assert commands_of(WindowsChildren.ask, Process()) == [["PythonSlicer.exe", "-m", module, "4711"]]
    assert commands_of(WindowsChildren.end, Process()) == [["taskkill", "/PID", "4711", "/T", "/F"]]
    assert WindowsChildren().options() == {"creationflags": 0x08004200}


def test_on_windows_a_number_that_may_belong_to_somebody_else_by_now_is_left_alone() -> None:
    assert commands_of(WindowsChildren.ask, Process(exit_code=0)) == []
    assert commands_of(WindowsChildren.end, Process(exit_code=1)) == []


class Kernel:
    """Consoles of Windows: a program has one at a time, and events reach only groups in the sender's own.

    consoles: which program leads a group in which console. fails: what Windows refuses.
    """

    def __init__(self, consoles: dict[int, str], own: str | None, fails: str = "") -> None:
        self.consoles, self.console, self.fails = consoles, own, fails
        self.hit: list[tuple[int, int]] = []

    def FreeConsole(self) -> int:
        had, self.console = self.console is not None, None
        return int(had)

    def AttachConsole(self, pid: int) -> int:
        if self.fails == "attach" or self.console is not None or pid not in self.consoles:
            return 0
        self.console = self.consoles[pid]
        return 1

    def GenerateConsoleCtrlEvent(self, event: int, group: int) -> int:
        if self.fails == "generate" or self.console is None or self.consoles.get(group) != self.console:
            return 0
        self.hit.append((event, group))
        return 1


@pytest.mark.parametrize("own", [None, "of Slicer"])
def test_ctrl_break_reaches_a_group_in_another_console(own: str | None) -> None:
    kernel = Kernel({4711: "of the child", 1: "of Slicer"}, own)
    assert send_break(4711, kernel)
    assert kernel.hit == [(1, 4711)]


@pytest.mark.parametrize("fails", ["attach", "generate"])
def test_who_cannot_be_asked_is_ended_at_once(fails: str) -> None:
    kernel, ran = Kernel({4711: "of the child"}, None, fails), []
    stop(4711, kernel, lambda command, check: ran.append((command, check)))
    assert kernel.hit == []
    assert ran == [(["taskkill", "/PID", "4711", "/T", "/F"], False)]


@pytest.mark.skipif(sys.platform != "win32", reason="needs Windows")
def test_on_real_windows_a_child_is_asked_through_its_console() -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGBREAK, lambda *_: sys.exit(130))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    with start(sys.executable, "-c", code) as process:
        assert first_line(process) == "ready"
        children().ask(process)
        wait_for(lambda: process.poll() is not None)
        assert process.returncode == 130
