"""How many calls an action takes in the project's own packages, and how often they go from one file to another."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_OURS = ("dfqsam_core", "dfqsam_scene", "DFQSAMSlicerLib")


class CallCount:
    """Counts calls in this thread while `counting`, and in all threads that are started after this was made.

    calls: of functions whose code lies in our packages; a generator counts each time that it goes on.
    file_changes: calls that follow, in their thread, a call in another file.
    """

    def __init__(self) -> None:
        self.reset()
        threading.setprofile(self._note)

    def reset(self) -> None:
        """Begin at nothing."""
        self.calls = self.file_changes = 0
        self._last: dict[int, str] = {}

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count what this thread does inside."""
        sys.setprofile(self._note)
        yield
        sys.setprofile(None)

    def close(self) -> None:
        """Let threads start unheard again."""
        threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        file, thread = frame.f_code.co_filename, threading.get_ident()
        if event == "call" and not set(_OURS).isdisjoint(file.replace("\\", "/").split("/")):
            self.calls += 1
            self.file_changes += self._last.get(thread, file) != file
            self._last[thread] = file
