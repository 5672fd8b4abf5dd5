"""Works at once: results in order, the first failure, and no more threads than asked for."""

from __future__ import annotations

import threading

import pytest

from dfqsam_core.runtime.together import together
from Testing.support.finished import PATIENCE_SECONDS


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_works(threads: int) -> None:
    assert together([lambda n=n: n * n for n in range(7)], threads) == [n * n for n in range(7)]
    assert together([], threads) == []


def test_as_many_as_asked_for_are_under_way_and_one_is_the_callers() -> None:
    both, seen = threading.Barrier(2, timeout=PATIENCE_SECONDS), []

    def work() -> None:
        both.wait()
        seen.append(threading.current_thread())

    together([work] * 6, 2)
    assert len(set(seen)) == 2
    assert threading.current_thread() in seen


def test_the_first_failure_is_raised_and_what_waits_is_not_begun() -> None:
    done = []

    def fail() -> None:
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        together([fail, lambda: done.append(1)], 1)
    assert done == []


def test_what_is_under_way_ends_before_the_failure_is_raised() -> None:
    begun, failed, ended = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        assert failed.wait(PATIENCE_SECONDS)
        ended.append(True)

    def fail() -> None:
        assert begun.wait(PATIENCE_SECONDS)
        failed.set()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        together([slow, fail], 2)
    assert ended == [True]
