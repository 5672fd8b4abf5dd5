"""Standard output and error, whatever they can show."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any


def never_fail_to_print(streams: Iterable[Any] | None = None) -> None:
    r"""Let a character that a stream lacks appear as its number (\u2026), where Python would end the program.

    A file or pipe on Windows has the code page of the country, on Linux a terminal may be ASCII. streams: by default
    standard output and error; in a program without a console they are None.
    """
    for stream in (sys.stdout, sys.stderr) if streams is None else streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
