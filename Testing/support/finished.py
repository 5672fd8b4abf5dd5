"""Waiting for something that happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(is_true: Callable[[], object], seconds: float) -> None:
    """Ask again and again until it is so; fails when it does not come true in time."""
    ends = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)
