"""One persistent thread for the model's work: numpy goes in and comes out; no node of the scene is touched there."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from dfqsam_core.progress import Cancelled, Progress, ProgressCallback

from .resting import Rest

# Longer than a slice takes to encode; what reports progress ends sooner.
_END_SECONDS = 5.0


def _ignore(_: Any) -> None:
    """Default of the callbacks."""


@dataclass(eq=False)
class Job:
    """Work for the thread, and what the main thread hears of it.

    work: called in the thread; calls its argument often, which raises Cancelled when the job is not wanted any more.
    done: result. failed: what was raised; Cancelled for a job that was cancelled or replaced. progress: the latest.
    topic: a new job replaces earlier ones of its topic, waiting or running; None for one that nothing replaces.
    is_ahead: nobody waits for it: it is begun only while no other job waits, and does not make the worker busy.
    """

    work: Callable[[ProgressCallback], Any]
    done: Callable[[Any], None] = _ignore
    failed: Callable[[BaseException], None] = _ignore
    progress: Callable[[Progress], None] = _ignore
    topic: Hashable = None
    is_ahead: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Runs jobs one after the other; their callbacks are called by `deliver`, so in the thread that calls that.

    begun: called by `submit` for work that somebody waits for, so that a timer comes soon. arrived: called when there
    is something to deliver, mostly in the worker's thread: it should only wake the main one.
    """

    def __init__(self, begun: Callable[[], None] = lambda: None, arrived: Callable[[], None] = lambda: None) -> None:
        self._begun, self._arrived = begun, arrived
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._undelivered = 0
        self._closed = False
        self._messages: SimpleQueue[tuple[Job, str, Any]] = SimpleQueue()
        self._rest = Rest()
        # Python waits for other threads before it asks anybody to hurry; `_exit` asks first, then waits.
        self._thread = threading.Thread(target=self._run, name="dfqsam-worker", daemon=True)
        self._thread.start()
        atexit.register(self._exit)

    @property
    def is_busy(self) -> bool:
        """True where a job waits or runs, or its end has not been delivered yet; work ahead does not count."""
        with self._changed:
            return self._undelivered > 0 or self._has_work(ahead_too=False)

    def submit(self, *jobs: Job) -> Job:
        """Run jobs after those that wait, instead of earlier ones of their topics; returns the last one."""
        with self._changed:
            if self._closed:
                raise RuntimeError("The worker is closed.")
            topics = {job.topic for job in jobs} - {None}
            if topics:
                self._cancel(lambda other: other.topic in topics)
            self._waiting.extend(jobs)
            self._changed.notify_all()
        if not all(job.is_ahead for job in jobs):
            self._begun()
        return jobs[-1]

    def later(self, done: Callable[[], None]) -> Job:
        """Have `done` called by the next `deliver`, when the main thread has done other things; returns its job."""
        job = Job(_ignore, lambda _: done())
        with self._changed:
            self._post(job, "done", None)
        return job

    def cancel(self, topic: Hashable = None) -> None:
        """Cancel the jobs of a topic, None for all: running ones end at their next report, without a result."""
        with self._changed:
            self._cancel(lambda job: topic is None or job.topic == topic)

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
                self._undelivered -= not job.is_ahead
            # What arrived before its cancellation was noticed is not wanted either.
            if job.cancelled.is_set():
                job.failed(Cancelled())
            elif kind == "done":
                job.done(content)
            else:
                job.failed(content)
        for job, progress in latest.items():
            if not self._closed and not job.cancelled.is_set():
                job.progress(progress)

    @property
    def is_working(self) -> bool:
        """True where a host's timer should come soon: anything is worked on, or its end is not delivered yet."""
        with self._changed:
            return self._undelivered > 0 or self._has_work(ahead_too=True)

    def rest(self, seconds: float | None = None) -> None:
        """Let go of Python's lock for a moment while anything is worked on, work ahead included; else do nothing.

        For a host whose event loop keeps the lock while it idles, as Slicer's does: when its timer calls this, the
        thread comes to run. seconds: at most; None for as long as `Rest` thinks right.
        """
        with self._changed:
            if not self._has_work(ahead_too=True):
                return
            if seconds is None:
                seconds = self._rest.seconds(self._has_work(ahead_too=False), self._undelivered > 0)
            begin = time.perf_counter()
            self._changed.wait(seconds)
            self._rest.note(seconds, time.perf_counter() - begin)

    def wait(self, timeout_seconds: float, ahead_too: bool = False) -> bool:
        """Wait until no job waits or runs; False when the time ran out first. Deliver is for the caller to call.

        ahead_too: wait for work ahead as well.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._has_work(ahead_too), timeout_seconds)

    def close(self, timeout_seconds: float | None = _END_SECONDS) -> bool:
        """Cancel all jobs and end the thread; nothing is delivered any more.

        Returns whether the thread ended within this time, None for any; where it did not, the end of the program waits
        for it again.
        """
        with self._changed:
            self._cancel(lambda job: True)
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_seconds)
        has_ended = not self._thread.is_alive()
        if has_ended:
            atexit.unregister(self._exit)
        return has_ended

    def _exit(self) -> None:
        # As long as it takes: a thread that is torn off inside the engine ends the program in a crash. It is one piece
        # of work that reports no progress, and nothing is on the screen any more.
        self.close(timeout_seconds=None)

    def _has_work(self, ahead_too: bool) -> bool:
        jobs = self._waiting if self._running is None else [self._running, *self._waiting]
        return bool([job for job in jobs if ahead_too or not job.is_ahead])

    def _cancel(self, concerns: Callable[[Job], bool]) -> None:
        for job in filter(concerns, list(self._waiting)):
            job.cancelled.set()
            self._waiting.remove(job)
            self._post(job, "failed", Cancelled())
        if self._running is not None and concerns(self._running):
            self._running.cancelled.set()

    def _post(self, job: Job, kind: str, content: Any) -> None:
        self._undelivered += kind != "progress" and not job.is_ahead
        self._messages.put((job, kind, content))
        self._arrived()

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
            self._running = ([job for job in self._waiting if not job.is_ahead] or self._waiting)[0]
            self._waiting.remove(self._running)
            return self._running

    def _report(self, job: Job, progress: Progress) -> None:
        if job.cancelled.is_set():
            raise Cancelled
        self._messages.put((job, "progress", progress))
