"""What stands for sys.stdout and sys.stderr inside Slicer: PythonQt's console, which is no file."""

from __future__ import annotations

import os


class RedirectedOutput:
    """Takes texts; it has no `encoding`, no `fileno` and no `isatty`, which a program may ask a file for.

    descriptor: where the texts can be read outside.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        """Show a text in the console."""
        os.write(self._descriptor, text.encode())

    def flush(self) -> None:
        """Nothing is held back."""
