"""Work ahead of whoever asks: in order, bounded, never twice, and ended when it is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dfqsam_core.runtime.ahead import Ahead


class Bench:
    """Work whose items end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.changed = threading.Condition()
        self.may_end: set[int] = set()

    def work(self, item: int) -> str:
        with self.changed:
            self.begun.append(item)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: item in self.may_end, 60)
        return f"by a thread: {item}"

    def let_end(self, *items: int) -> None:
        with self.changed:
            self.may_end |= set(items)
            self.changed.notify_all()

    def wait_until_begun(self, item: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: item in self.begun, 60), self.begun

    def wait_for(self, *items: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: sorted(self.begun) == sorted(items), 60), self.begun


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.let_end(*range(100))


def by_the_caller(item: int) -> str:
    return f"by the caller: {item}"


def test_results_come_in_any_order_of_work(bench: Bench) -> None:
    with Ahead(bench.work, range(4), threads=2) as ahead:
        bench.wait_for(0, 1)
        bench.let_end(1)
        bench.let_end(0, 2, 3)
        found = [ahead.take(item, by_the_caller) for item in range(4)]
    assert found == [f"by a thread: {item}" for item in range(4)]
    assert sorted(bench.begun) == [0, 1, 2, 3]


def test_as_many_are_in_work_or_ready_as_there_are_threads_beyond_the_one_asked_for(bench: Bench) -> None:
    bench.let_end(*range(100))
    with Ahead(bench.work, range(100), threads=3) as ahead:
        bench.wait_for(0, 1, 2)
        ahead.take(0, by_the_caller)
        bench.wait_for(0, 1, 2, 3)
        ahead.take(1, by_the_caller)
        bench.wait_for(0, 1, 2, 3, 4)
    assert sorted(bench.begun) == [0, 1, 2, 3, 4]


def test_what_is_skipped_is_not_begun(bench: Bench) -> None:
    bench.let_end(*range(100))
    with Ahead(bench.work, range(100), threads=1) as ahead:
        bench.wait_for(0)
        assert ahead.take(50, by_the_caller).endswith(": 50")
        bench.wait_until_begun(51)
        assert ahead.take(51, by_the_caller) == "by a thread: 51"
    assert not {*range(1, 50)} & set(bench.begun)


def test_nobody_waits_for_threads_that_are_busy_with_something_else(bench: Bench) -> None:
    with Ahead(bench.work, range(10), threads=1) as ahead:
        bench.wait_for(0)
        assert ahead.take(5, by_the_caller) == "by the caller: 5"
        bench.let_end(0, 6)
        bench.wait_until_begun(6)
        assert ahead.take(6, by_the_caller) == "by a thread: 6"


def test_a_result_is_given_once_and_strangers_are_left_to_the_caller(bench: Bench) -> None:
    bench.let_end(0, 1)
    with Ahead(bench.work, [0, 1, 0], threads=2) as ahead:
        first, again = ahead.take(0, by_the_caller), ahead.take(0, by_the_caller)
        stranger = ahead.take(7, by_the_caller)
    assert (first, again, stranger) == ("by a thread: 0", "by the caller: 0", "by the caller: 7")


def test_an_error_reaches_the_one_who_asks_for_its_item() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    with Ahead(work, range(3), threads=2) as ahead:
        assert ahead.take(0, work) == 0
        with pytest.raises(ValueError, match="one"):
            ahead.take(1, lambda _: 0)
        assert ahead.take(2, work) == 2


def test_leaving_ends_the_threads_after_what_they_have_in_work(bench: Bench) -> None:
    with Ahead(bench.work, range(100), threads=2):
        bench.wait_for(0, 1)
        bench.let_end(*range(100))
    names = [thread.name for thread in threading.enumerate()]
    assert "dfqsam-ahead" not in names
    assert sorted(bench.begun) == [0, 1]


def test_without_threads_the_caller_does_all() -> None:
    with Ahead(str, range(2), threads=0) as ahead:
        assert [ahead.take(item, by_the_caller) for item in range(2)] == ["by the caller: 0", "by the caller: 1"]


def test_somebody_else_who_asks_out_of_turn_does_not_send_the_threads_away(bench: Bench) -> None:
    bench.let_end(*range(100))
    with Ahead(bench.work, range(100), threads=2) as ahead:
        bench.wait_for(0, 1)
        assert ahead.take(0, by_the_caller) == "by a thread: 0"
        assert ahead.take(50, by_the_caller).endswith(": 50")
        found = [ahead.take(item, by_the_caller) for item in range(1, 60)]
        bench.wait_until_begun(61)
    # It has item 50 already.
    others = [item for item, result in zip(range(1, 60), found, strict=True) if result.startswith("by the caller")]
    assert set(others) <= {1, 2, 3, 50}
    assert len(bench.begun) == len(set(bench.begun)) <= 63
