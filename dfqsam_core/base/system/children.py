"""Child processes: in a group of their own and behind everything else, asked to stop, ended with what they started."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Protocol

if sys.platform == "win32":
    from .windows_children import WindowsChildren as _Children
else:
    from .posix_children import PosixChildren as _Children


class Children(Protocol):
    """How this system starts and ends children."""

    def options(self) -> dict[str, Any]:
        """Options of `subprocess.Popen` that give a child a group of its own, and no window."""

    def give_way(self, process: subprocess.Popen[str]) -> None:
        """Let all other programs go first, where that was not an option already."""

    def ask(self, process: subprocess.Popen[str]) -> None:
        """Ask a child and what it started to stop; returns at once."""

    def end(self, process: subprocess.Popen[str]) -> None:
        """End a child and what it started by force; returns at once."""


def children() -> Children:
    """Those of this system."""
    return _Children()
