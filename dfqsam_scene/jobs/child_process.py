"""`dfqsam` in a process of its own: it reports line by line, can be cancelled, and nothing here ever waits for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

import dfqsam_core
from dfqsam_core.base.system.children import children
from dfqsam_core.progress import Progress

# A cancelled child stops at its next report; one that does not report that long is killed.
GRACE_SECONDS = 20.0
_KEPT_LINES = 200


def python_executable() -> str:
    """The Python to start children with: PythonSlicer inside Slicer, whose own program is no Python, else this one.

    Raises FileNotFoundError with a sentence for people where there is neither: a Slicer that was started without its
    launcher has no PythonSlicer on its path, and may not know its own program.
    """
    found = shutil.which("PythonSlicer") or sys.executable
    if not found:
        raise FileNotFoundError(
            "No Python was found to work in: PythonSlicer is not on the path, and Slicer does not say where its own "
            "lies. Start Slicer by its launcher, or run dfqsam in a terminal"
        )
    return found


class ChildProcess:
    """One run of `python -m dfqsam_core ARGUMENTS`; `poll` takes over what it said since the last call.

    arguments: of `dfqsam`, with absolute paths and `--progress json`. python: None for `python_executable()`.
    progress: its last report, None before the first. history: all reports of the last poll, oldest first.
    lines: what else it printed. exit_code: as of `dfqsam`, None while it runs.
    Raises OSError when Python cannot be started. When this process ends, the child ends at its next report.
    """

    def __init__(self, arguments: Sequence[str], python: str | None = None) -> None:
        self.progress: Progress | None = None
        self.history: list[Progress] = []
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.exit_code: int | None = None
        self.is_cancelled = False
        self._kill_at: float | None = None
        self._messages: SimpleQueue[str | int] = SimpleQueue()
        self._children = children()
        self._process = subprocess.Popen(
            [python or python_executable(), "-m", "dfqsam_core", *arguments],
            # `-m` looks for modules here: inside Slicer the package is in no place that Python knows by itself.
            cwd=Path(dfqsam_core.__file__).resolve().parents[1],
            # Unbuffered, so that its last line is the last thing that it said.
            env=os.environ | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            **self._children.options(),
        )
        self._children.give_way(self._process)
        threading.Thread(target=self._read, name="dfqsam-child", daemon=True).start()

    @property
    def message(self) -> str:
        """Its last sentence: for an exit code other than 0, the reason."""
        return next((line for line in reversed(self.lines) if line.strip()), "")

    def poll(self) -> None:
        """Take over what the child said, and kill it when it did not follow a cancellation in time."""
        self.history = []
        # What it says meanwhile waits for the next call: one that says very much holds nobody up.
        for _ in range(self._messages.qsize()):
            self._take(self._messages.get_nowait())
        if self._kill_at is not None and time.monotonic() > self._kill_at and self.exit_code is None:
            self._kill_at = None
            self._children.end(self._process)

    def cancel(self) -> None:
        """Ask the child to stop; asking again has no effect."""
        if self.exit_code is None and not self.is_cancelled:
            self.is_cancelled = True
            self._kill_at = time.monotonic() + GRACE_SECONDS
            self._children.ask(self._process)

    def _take(self, message: str | int) -> None:
        if isinstance(message, int):
            self.exit_code = message
        elif (progress := _progress(message)) is not None:
            self.progress = progress
            self.history.append(progress)
        else:
            self.lines.append(message.rstrip())

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._messages.put(line)
        self._messages.put(self._process.wait())


def _progress(line: str) -> Progress | None:
    """The report in a line of `--progress json`; None for any other line."""
    try:
        fields = json.loads(line)
        return Progress(str(fields["stage"]), int(fields["done"]), int(fields["total"]), str(fields["message"]))
    except (ValueError, TypeError, KeyError):
        return None
