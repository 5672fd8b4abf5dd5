"""How long a running stage will still take, from its pace of the last minutes."""

from __future__ import annotations

from collections import deque

from dfqsam_core.progress import Progress

_WINDOW_SECONDS = 180.0


class TimeLeft:
    """Seconds left of the stage that is being reported; None until its pace is known."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._stage = ""
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, progress: Progress, now: float) -> None:
        """Take a report into account; now: seconds on any steady clock."""
        # A step without words was done in an earlier run: it says nothing about the pace of this one.
        if progress.stage != self._stage or not progress.message:
            self._stage = progress.stage
            self._marks.clear()
        self._marks.append((now, progress.done))
        while now - self._marks[0][0] > _WINDOW_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        (begin, first), (end, last) = self._marks[0], self._marks[-1]
        known = last > first and progress.total > 0
        self.seconds = (progress.total - last) * (end - begin) / (last - first) if known else None


def in_words(seconds: float) -> str:
    """A duration for people: "less than 1 s", "8 s", "12 min", "1 h 20 min"."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
