"""One way to report and to cancel long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

# A stage that is nothing but its message, which a terminal keeps.
NOTE = "note"


@dataclass(frozen=True)
class Progress:
    """State of a long call.

    stage: machine-readable name of the part that runs, for instance "synthesis".
    done, total: finished and planned units of this stage; total is 0 while unknown.
    message: one short sentence for people.
    preview: optional uint8 image (H, W) or (H, W, 3) to look at meanwhile.
    """

    stage: str
    done: int
    total: int
    message: str = ""
    preview: Any = None


class Cancelled(Exception):
    """Raised from a progress callback to stop the work cleanly; the command line exits with 130."""


ProgressCallback = Callable[[Progress], None]


def report(
    progress: ProgressCallback | None, stage: str, done: int, total: int, message: str = "", preview: Any = None
) -> None:
    """Tell `progress` (when there is one) how far the work is; `Cancelled` raised there passes through."""
    if progress is not None:
        progress(Progress(stage, done, total, message, preview))


_HEARD_BY: ContextVar[ProgressCallback | None] = ContextVar("heard_by", default=None)


@contextmanager
def heard_by(progress: ProgressCallback) -> Iterator[None]:
    """Meanwhile `progress` hears, in this thread alone, of the parts of single slices that are being encoded."""
    before = _HEARD_BY.set(progress)
    try:
        yield
    finally:
        _HEARD_BY.reset(before)


def report_part(stage: str, done: int, total: int, message: str) -> None:
    """Tell whoever hears this thread how far a part of the work is that has no callback of its own."""
    report(_HEARD_BY.get(), stage, done, total, message)
