"""One way to report and to cancel long work."""

from __future__ import annotations

from collections.abc import Callable
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
