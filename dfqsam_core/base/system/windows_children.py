"""Child processes on Windows: a group of their own in an invisible console, which takes Ctrl-Break."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .windows_api import BELOW_NORMAL_PRIORITY_CLASS, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW

_ROOT = Path(__file__).resolve().parents[3]
_BREAKER = "dfqsam_core.base.system.windows_break"


class WindowsChildren:
    """See `children.Children`. start: what starts programs."""

    def __init__(self, start: Callable[..., Any] = subprocess.Popen) -> None:
        self._start = start

    def options(self) -> dict[str, Any]:
        """Slicer has no console, so the child gets one for itself, without a window."""
        return {"creationflags": CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP | BELOW_NORMAL_PRIORITY_CLASS}

    def give_way(self, process: subprocess.Popen[str]) -> None:
        """Nothing: `options` said so."""

    def ask(self, process: subprocess.Popen[str]) -> None:
        """Ctrl-Break, sent by a helper: only a program in the child's own console can send it."""
        if process.poll() is None:
            self._run([_python_of(process), "-m", _BREAKER, str(process.pid)])

    def end(self, process: subprocess.Popen[str]) -> None:
        """The system's own command for a child with its children."""
        if process.poll() is None:
            self._run(kill_command(process.pid))

    def _run(self, command: Sequence[str]) -> None:
        silence = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._start(command, cwd=_ROOT, creationflags=CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP, **silence)


def kill_command(pid: int) -> list[str]:
    """Words of the command that ends a process and all that it started."""
    return ["taskkill", "/PID", str(pid), "/T", "/F"]


def _python_of(process: subprocess.Popen[str]) -> str:
    arguments = process.args
    assert isinstance(arguments, list), "children are started with a list of words"
    return str(arguments[0])
