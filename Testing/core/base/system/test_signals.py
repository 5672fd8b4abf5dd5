"""What asks a program to stop, on each system; and that a closed terminal stops work cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from dfqsam_core.base.system.signals import stop_signals

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP is of Linux and macOS")
# Works until it is told to stop, and says how it ended.
WORK = (
    "import os, signal, sys, time\n"
    "from dfqsam_core.cli.interrupt import cancel_on_signals\n"
    "from dfqsam_core.progress import Cancelled\n"
    "with cancel_on_signals() as raise_if_cancelled:\n"
    "    os.kill(os.getpid(), signal.SIGHUP)\n"
    "    try:\n"
    "        raise_if_cancelled()\n"
    "        print('went on')\n"
    "    except Cancelled:\n"
    "        print('cancelled')\n"
)


def module(ignored: tuple[int, ...] = (), **numbers: int) -> Any:
    """The module `signal` of another system."""
    return SimpleNamespace(SIG_IGN=1, getsignal=lambda number: 1 if number in ignored else 0, **numbers)


def test_each_system_has_its_own() -> None:
    windows = module(SIGINT=2, SIGTERM=15, SIGBREAK=21)
    assert stop_signals(windows) == (2, 15, 21)
    linux = {"SIGINT": 2, "SIGTERM": 15, "SIGHUP": 1}
    assert stop_signals(module(**linux)) == (2, 15, 1)
    # A shell without job control lets Ctrl-C be ignored in the background, which has never kept us from stopping.
    assert stop_signals(module(ignored=(1, 2), **linux)) == (2, 15)


@needs_posix
@pytest.mark.parametrize(("is_ignored", "word"), [(False, "cancelled"), (True, "went on")])
def test_a_closed_terminal_cancels_unless_nohup_forbids_it(is_ignored: bool, word: str) -> None:
    """It ended the program at once, and half-written files stayed."""
    # Said either way: tests that themselves run under nohup hand its choice on to their children.
    nohup = f"import signal; signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if is_ignored else 'SIG_DFL'})\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", nohup + WORK], capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stdout.strip()) == (0, word), result.stderr


def test_this_system_takes_them_all() -> None:
    for number in stop_signals():
        assert signal.signal(number, signal.getsignal(number)) == signal.getsignal(number)
