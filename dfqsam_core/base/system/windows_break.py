"""`python -m dfqsam_core.base.system.windows_break PID`: Ctrl-Break for a process group in another console.

A program has one console, and Ctrl-Break reaches only groups in the sender's. So this one leaves its own for the other.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from .windows_api import CTRL_BREAK_EVENT, kernel32
from .windows_children import kill_command


def send_break(pid: int, kernel: Any) -> bool:
    """Send Ctrl-Break to the group of the process `pid`, which must lead it; whether Windows took it."""
    kernel.FreeConsole()
    return bool(kernel.AttachConsole(pid) and kernel.GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, pid))


def stop(pid: int, kernel: Any, run: Any = subprocess.run) -> None:
    """Ask the group of `pid` to stop; end it at once where it cannot be asked."""
    if not send_break(pid, kernel):
        run(kill_command(pid), check=False)


if __name__ == "__main__":
    stop(int(sys.argv[1]), kernel32())
