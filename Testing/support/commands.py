"""Commands run as a person would run them."""

from __future__ import annotations

import subprocess
from typing import Any


def run(*command: object, **options: Any) -> str:
    """What a command prints on standard output; fails with what it says on standard error."""
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout
