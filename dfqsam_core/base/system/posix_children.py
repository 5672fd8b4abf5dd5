"""Child processes on Linux and macOS: a session of their own, whose group takes signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

assert sys.platform != "win32"

_NICENESS = 10


class PosixChildren:
    """See `children.Children`."""

    def options(self) -> dict[str, Any]:
        """A session, so that a terminal's Ctrl-C does not reach it either."""
        return {"start_new_session": True}

    def give_way(self, process: subprocess.Popen[str]) -> None:
        """A higher niceness for the group."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, process.pid, _NICENESS)

    def ask(self, process: subprocess.Popen[str]) -> None:
        """SIGTERM to the group."""
        self._signal(process, signal.SIGTERM)

    def end(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL to the group."""
        self._signal(process, signal.SIGKILL)

    def _signal(self, process: subprocess.Popen[str], number: signal.Signals) -> None:
        # Also when the child itself has ended: PythonSlicer is a launcher, and the Python that it started may go on.
        # macOS forbids it for a group that has just ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
