"""What stands for sys.stdout and sys.stderr inside Slicer: PythonQt's console, which is no file."""

from __future__ import annotations


class RedirectedOutput:
    """Takes texts; it has no `encoding`, no `fileno` and no `isatty`, which a program may ask a file for."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def write(self, text: str) -> None:
        """Show a text in the console."""
        self.said.append(text)

    def flush(self) -> None:
        """Nothing is held back."""
