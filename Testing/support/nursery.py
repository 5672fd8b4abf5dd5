"""Viewers that are forked from a process in which their packages are imported already.

Importing them takes two seconds of CPU, which tests that each need a viewer of their own would spend a hundred times.
The tests of how a viewer starts and ends begin it as a person does instead.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

_IMPORTED = (
    "dfqsam_core.cli.main",
    "dfqsam_core.runtime.graph.encoder",
    "dfqsam_core.store.description",
    "dfqsam_viewer.actions",
    "dfqsam_viewer.file_actions",
    "dfqsam_viewer.model_page",
    "dfqsam_viewer.page_state",
    "dfqsam_viewer.server",
    "nibabel",
    "onnx",
    "onnxruntime",
    "scipy.ndimage",
    "trame_slicer.app",
)


class Nursery:
    """The process with the packages; it ends with `close`, and its viewers with their tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "Testing.support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> Viewer:
        """`dfqsam` with these arguments in `folder`; what it prints goes to `log`."""
        # Before anybody reads it: it may hold what an earlier viewer printed.
        log.write_text("")
        order = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        return Viewer(self, self.ask(order | {"log": str(log)}))

    def ask(self, order: Mapping[str, Any]) -> Any:
        """Send an order, and return the answer to it."""
        tell, hear = self._process.stdin, self._process.stdout
        assert tell is not None
        assert hear is not None
        tell.write(json.dumps(order) + "\n")
        tell.flush()
        answer = hear.readline()
        assert answer, "the process that starts viewers has ended"
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Viewer:
    """A viewer's process, as `subprocess.Popen` has it."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid, self.returncode = pid, None
        self._nursery = nursery

    def poll(self) -> int | None:
        """The exit code, minus a signal's number where one ended it; None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the end; raises subprocess.TimeoutExpired."""
        ends = None if seconds is None else time.monotonic() + seconds
        while self.poll() is None:
            if ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired("dfqsam view", seconds or 0.0)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to a viewer that runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _become(order: Mapping[str, Any], answers: TextIO) -> None:
    """Take over folder, environment, streams and arguments of a viewer."""
    answers.close()
    for stream, path, flags in ((0, os.devnull, os.O_RDONLY), (1, order["log"], os.O_WRONLY | os.O_APPEND)):
        descriptor = os.open(path, flags)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.dup2(1, 2)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["dfqsam", *order["arguments"]]


def _serve() -> None:
    import importlib

    from dfqsam_viewer.world import complete_slicer

    complete_slicer()
    for name in _IMPORTED:
        importlib.import_module(name)
    # Standard output belongs to the viewers: nothing that a package prints gets among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    while line := sys.stdin.readline():
        order = json.loads(line)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                _become(order, answers)
                from dfqsam_core.cli.main import main

                sys.exit(main())
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
