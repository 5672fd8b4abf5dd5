"""The one job that a controller has in the worker's thread: begun, followed, and forgotten when nobody wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfqsam_core.progress import Cancelled, Progress, ProgressCallback

from .worker import Job, Worker


class SingleJob:
    """At most one job at a time; nothing more is heard of one that was forgotten.

    progress: its latest report, None before the first. do: runs what follows from its result, when it has ended.
    failed: what was raised. changed: called when it begins, and after each report.
    """

    def __init__(
        self,
        worker: Worker,
        do: Callable[[Callable[[], None]], None],
        failed: Callable[[BaseException], None],
        changed: Callable[[], None],
    ) -> None:
        self.progress: Progress | None = None
        self._worker, self._do, self._failed, self._changed = worker, do, failed, changed
        self._job: Job | None = None

    @property
    def is_going(self) -> bool:
        """Whether there is a job that waits or runs."""
        return self._job is not None

    def start(self, work: Callable[[ProgressCallback], Any], done: Callable[[Any], None]) -> None:
        """Begin; done: gets the result."""

        def finished(result: Any) -> None:
            self.forget()
            self._do(lambda: done(result))

        self._job = self._worker.submit(Job(work, finished, self._stopped, self._progressed))
        self._changed()

    def forget(self) -> None:
        """Let it end at its next report of progress; its result is thrown away."""
        if self._job is not None:
            self._job.cancelled.set()
        self._job = self.progress = None

    def _stopped(self, error: BaseException) -> None:
        # A cancelled job was forgotten when that happened; what runs now was begun later.
        if not isinstance(error, Cancelled):
            self.forget()
            self._failed(error)

    def _progressed(self, progress: Progress) -> None:
        self.progress = progress
        self._changed()
