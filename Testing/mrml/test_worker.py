"""The worker needs no scene: its tests run everywhere."""

from __future__ import annotations

import threading

import pytest

from dfqsam_core.progress import Cancelled, Progress
from dfqsam_scene.jobs.worker import Job, Worker


@pytest.fixture
def worker():
    found = Worker()
    yield found
    found.close()


@pytest.fixture
def gate():
    """Opens at the latest when the test ends, so that no thread stays behind."""
    found = threading.Event()
    yield found
    found.set()


def finish(worker):
    """Let all jobs end and deliver what they said."""
    assert worker.wait(10)
    worker.deliver()


def blocked(gate, started, value=None):
    """Work that begins, waits for the gate, and then reports once."""

    def work(progress):
        started.set()
        assert gate.wait(10)
        progress(Progress("work", 1, 2))
        return value

    return work


def test_work_runs_in_one_other_thread_and_its_results_come_in_this_one(worker):
    seen = []
    for n in range(5):
        worker.submit(
            Job(
                lambda _, n=n: (n, threading.get_ident()),
                lambda result: seen.append((*result, threading.get_ident())),
            )
        )
    assert not seen
    finish(worker)
    here = threading.get_ident()
    assert [n for n, _, _ in seen] == [0, 1, 2, 3, 4]
    assert {delivered for _, _, delivered in seen} == {here}
    assert len({ran for _, ran, _ in seen}) == 1
    assert here not in {ran for _, ran, _ in seen}
    assert not worker.is_busy


def test_an_error_is_delivered_and_the_thread_lives_on(worker):
    seen = []
    worker.submit(Job(lambda _: 1 / 0, seen.append, seen.append))
    worker.submit(Job(lambda _: "fine", seen.append))
    finish(worker)
    assert [type(item) for item in seen] == [ZeroDivisionError, str]


def test_the_latest_of_a_topic_wins(worker, gate):
    started, done, failed = threading.Event(), [], []
    worker.submit(Job(blocked(gate, started, "first"), done.append, failed.append, topic="preview"))
    assert started.wait(10)
    worker.submit(Job(lambda _: "second", done.append, failed.append, topic="preview"))
    worker.submit(Job(lambda _: "other", done.append, failed.append))
    worker.submit(Job(lambda _: "third", done.append, failed.append, topic="preview"))
    gate.set()
    finish(worker)
    assert done == ["other", "third"]
    assert [type(error) for error in failed] == [Cancelled, Cancelled]


def test_cancel_stops_the_running_job_at_its_next_report_and_drops_the_waiting_ones(worker, gate):
    started, seen, failed = threading.Event(), [], []
    worker.submit(Job(blocked(gate, started), seen.append, failed.append, seen.append))
    worker.submit(Job(lambda _: seen.append("ran"), seen.append, failed.append))
    assert started.wait(10)
    worker.cancel()
    gate.set()
    finish(worker)
    assert seen == []
    assert [type(error) for error in failed] == [Cancelled, Cancelled]


def test_a_result_that_came_before_the_cancel_was_seen_is_thrown_away(worker):
    seen, failed = [], []
    job = worker.submit(Job(lambda _: "late", seen.append, failed.append))
    assert worker.wait(10)
    job.cancelled.set()
    worker.deliver()
    assert (seen, [type(error) for error in failed]) == ([], [Cancelled])


def test_of_many_reports_the_latest_is_delivered(worker, gate):
    reports, reported = [], threading.Event()

    def work(progress):
        for n in range(100):
            progress(Progress("work", n, 100))
        reported.set()
        assert gate.wait(10)

    worker.submit(Job(work, progress=reports.append))
    assert reported.wait(10)
    worker.deliver()
    assert [report.done for report in reports] == [99]
    assert worker.is_busy
    gate.set()
    finish(worker)
    assert not worker.is_busy


def test_a_closed_worker_delivers_nothing_more_and_takes_nothing(worker, gate):
    started, seen = threading.Event(), []
    worker.submit(Job(blocked(gate, started), seen.append, seen.append))
    assert started.wait(10)
    worker.close(0)
    worker.close(0)
    gate.set()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(Job(lambda _: None))
    assert worker.wait(10)
    worker.deliver()
    assert seen == []


def test_what_a_callback_sets_off_is_delivered_by_the_next_call(worker):
    seen = []

    def first_done(result):
        seen.append(result)
        worker.submit(Job(lambda _: "second", seen.append))
        assert worker.wait(10)

    worker.submit(Job(lambda _: "first", first_done))
    finish(worker)
    assert seen == ["first"]
    worker.deliver()
    assert seen == ["first", "second"]


def test_work_ahead_is_begun_only_while_no_job_waits_and_busies_nobody(worker, gate):
    order, started = [], threading.Event()
    ahead = [Job(lambda _, n=n: order.append(f"ahead {n}"), topic="ahead", is_ahead=True) for n in range(2)]
    worker.submit(Job(blocked(gate, started), topic="ahead", is_ahead=True), *ahead)
    assert started.wait(10)
    assert not worker.is_busy
    assert worker.wait(0)
    worker.submit(Job(lambda _: order.append("click")))
    worker.submit(Job(lambda _: order.append("another click")))
    assert worker.is_busy
    gate.set()
    assert worker.wait(10, ahead_too=True)
    worker.deliver()
    assert order == ["click", "another click", "ahead 0", "ahead 1"]
    assert not worker.is_busy


def test_new_work_ahead_replaces_what_was_not_begun_and_a_cancelled_topic_is_forgotten(worker, gate):
    order, started = [], threading.Event()

    def ahead(*names):
        return [Job(lambda _, name=name: order.append(name), topic="ahead", is_ahead=True) for name in names]

    worker.submit(Job(blocked(gate, started), topic="ahead", is_ahead=True), *ahead("a", "b"))
    assert started.wait(10)
    worker.submit(*ahead("c", "d"))
    worker.submit(Job(lambda _: order.append("job")))
    gate.set()
    assert worker.wait(10, ahead_too=True)
    assert order == ["job", "c", "d"]
    gate.clear()
    worker.submit(Job(blocked(gate, started)))
    worker.submit(*ahead("e"))
    worker.cancel("ahead")
    gate.set()
    assert worker.wait(10, ahead_too=True)
    assert order == ["job", "c", "d"]


def test_what_is_for_later_comes_with_the_next_delivery_whatever_is_worked_on(worker, gate):
    started, seen = threading.Event(), []
    worker.submit(Job(blocked(gate, started), topic="ahead", is_ahead=True))
    assert started.wait(10)
    worker.later(lambda: seen.append("later"))
    worker.later(lambda: seen.append("never")).cancelled.set()
    assert worker.is_busy
    worker.deliver()
    assert seen == ["later"]
    assert not worker.is_busy


def test_a_cancelled_job_that_fails_is_cancelled(worker, gate):
    started, failed = threading.Event(), []

    def failing(_):
        started.set()
        assert gate.wait(10)
        raise ZeroDivisionError

    job = worker.submit(Job(failing, failed=failed.append))
    assert started.wait(10)
    job.cancelled.set()
    gate.set()
    finish(worker)
    assert [type(error) for error in failed] == [Cancelled]


def test_close_says_whether_the_thread_has_ended(worker, gate):
    started = threading.Event()
    worker.submit(Job(blocked(gate, started)))
    assert started.wait(10)
    assert not worker.close(0)
    gate.set()
    assert worker.close(10)


def test_a_rest_lets_the_thread_run_and_is_none_while_nothing_is_worked_on(worker, gate):
    started, rested = threading.Event(), threading.Event()
    worker.rest(10**6)
    worker.submit(Job(blocked(gate, started), topic="ahead", is_ahead=True))
    assert started.wait(10)
    resting = threading.Thread(target=lambda: (worker.rest(10**6), rested.set()))
    resting.start()
    gate.set()
    assert rested.wait(10)
    resting.join()


def test_the_end_of_the_program_waits_for_the_thread_as_long_as_it_takes(worker, gate):
    started, ended = threading.Event(), threading.Event()
    worker.submit(Job(blocked(gate, started)))
    assert started.wait(10)
    ending = threading.Thread(target=lambda: (worker._exit(), ended.set()))
    ending.start()
    # No time that could run out: that would tear the thread off inside the engine.
    assert not ended.wait(0.1)
    assert worker._closed
    gate.set()
    assert ended.wait(10)
    ending.join()


def test_work_that_somebody_waits_for_is_told_at_once_and_work_ahead_is_not():
    begun = []
    worker = Worker(lambda: begun.append(True))
    worker.submit(Job(lambda _: None, topic="ahead", is_ahead=True))
    assert begun == []
    worker.submit(Job(lambda _: None))
    assert begun == [True]
    assert worker.close()
