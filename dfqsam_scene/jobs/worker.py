"""One persistent thread for the model's work: numpy goes in and comes out; no node of the scene is touched there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from dfqsam_core.progress import Cancelled, Progress, ProgressCallback


def _ignore(_: Any) -> None:
    """Default of the callbacks."""


@dataclass(eq=False)
class Job:
    """Work for the thread, and what the main thread hears of it.

    work: called in the thread; calls its argument often, which raises Cancelled when the job is not wanted any more.
    done: result. failed: what was raised; Cancelled for a job that was cancelled or replaced. progress: the latest.
    topic: a new job replaces earlier ones of its topic, waiting or running; None for one that nothing replaces.
    """

    work: Callable[[ProgressCallback], Any]
    done: Callable[[Any], None] = _ignore
    failed: Callable[[BaseException], None] = _ignore
    progress: Callable[[Progress], None] = _ignore
    topic: Hashable = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Runs jobs one after the other; their callbacks are called by `deliver`, so in the thread that calls that."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._undelivered = 0
        self._closed = False
        self._messages: SimpleQueue[tuple[Job, str, Any]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dfqsam-worker", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a job waits or runs, or its end has not been delivered yet."""
        with self._changed:
            return bool(self._waiting or self._running or self._undelivered)

    def submit(self, job: Job) -> Job:
        """Run `job` after those that wait, instead of earlier ones of its topic."""
        with self._changed:
            if self._closed:
                raise RuntimeError("The worker is closed.")
            if job.topic is not None:
                self._cancel(lambda other: other.topic == job.topic)
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def cancel(self) -> None:
        """Cancel all jobs; the running one ends at its next report of progress, and its result is thrown away."""
        with self._changed:
            self._cancel(lambda job: True)

    def deliver(self) -> None:
        """Call the callbacks of everything that happened since the last call. Raises what a callback raises."""
        latest: dict[Job, Progress] = {}
        # What a callback sets off waits for the next call, so that this one cannot go on and on.
        for _ in range(self._messages.qsize()):
            if self._closed:
                break
            job, kind, content = self._messages.get_nowait()
            if kind == "progress":
                latest[job] = content
                continue
            latest.pop(job, None)
            with self._changed:
                self._undelivered -= 1
            # A result that arrived before its cancellation was noticed is not wanted either.
            if kind == "done" and not job.cancelled.is_set():
                job.done(content)
            else:
                job.failed(content if kind == "failed" else Cancelled())
        for job, progress in latest.items():
            if not self._closed and not job.cancelled.is_set():
                job.progress(progress)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until no job waits or runs; False when the time ran out first. Deliver is for the caller to call."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._running), timeout_seconds)

    def close(self) -> None:
        """Cancel all jobs and end the thread; nothing is delivered any more. Calling it again does nothing."""
        with self._changed:
            self._cancel(lambda job: True)
            self._closed = True
            self._changed.notify_all()

    def _cancel(self, concerns: Callable[[Job], bool]) -> None:
        for job in filter(concerns, list(self._waiting)):
            job.cancelled.set()
            self._waiting.remove(job)
            self._post(job, "failed", Cancelled())
        if self._running is not None and concerns(self._running):
            self._running.cancelled.set()

    def _post(self, job: Job, kind: str, content: Any) -> None:
        self._undelivered += kind != "progress"
        self._messages.put((job, kind, content))

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                outcome = "done", job.work(partial(self._report, job))
            except BaseException as error:  # noqa: BLE001 - handed to the main thread, which alone can tell a person
                outcome = "failed", error
            with self._changed:
                self._running = None
                self._post(job, *outcome)
                self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            self._running = self._waiting.pop(0)
            return self._running

    def _report(self, job: Job, progress: Progress) -> None:
        if job.cancelled.is_set():
            raise Cancelled
        self._messages.put((job, "progress", progress))
