"""A console never breaks a result: what it cannot show is escaped, and a reader that went away is no error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def forgiving_console() -> Iterator[None]:
    """While it lasts, printing never raises for a character or for a console that is closed or full.

    A full one is told on standard error at the end, where that still works.
    """
    before = sys.stdout, sys.stderr
    patient = [_PatientStream(stream) if stream is not None else None for stream in before]
    sys.stdout, sys.stderr = patient
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        faults = [stream.settle() for stream in patient if stream is not None]
        if faults and faults[0] and before[1] is not None:
            with contextlib.suppress(OSError, ValueError):
                print(f"Standard output could not be written: {faults[0]}.", file=before[1])


def reader_is_gone(stream: object) -> bool:
    """Return whether the other end of a forgiving console's pipe is closed; False for any other stream."""
    return isinstance(stream, _PatientStream) and stream.reader_is_gone


class _PatientStream:
    """A text stream that swallows what it cannot write, and remembers why; reader_is_gone: of a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._fault, self._is_broken = stream, "", False
        self.reader_is_gone = False
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]

    def write(self, text: str) -> int:
        """Write a text, or nothing."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._note(error)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or nothing."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._note(error)

    def settle(self) -> str:
        """Flush, and turn a broken stream away, so that the interpreter's own last flush works; returns the fault."""
        self.flush()
        if self._is_broken:
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
        return self._fault

    def _note(self, error: Exception) -> None:
        # Whoever closed the other end of a pipe, such as `head`, has seen enough.
        self._is_broken = True
        self.reader_is_gone |= isinstance(error, BrokenPipeError)
        if not isinstance(error, BrokenPipeError):
            self._fault = str(getattr(error, "strerror", None) or error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
