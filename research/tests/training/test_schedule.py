"""The learning rate falls over the steps, or until the clock says that the time is over."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

from research.training import schedule as module
from research.training.schedule import LAST_RATE, Schedule


@pytest.fixture
def a_clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_by_steps_the_rate_warms_up_and_falls_to_one_per_cent():
    factors = [Schedule(40).rate_factor(done) for done in range(41)]
    assert factors[0] == pytest.approx(0.25 * 1.0)
    assert factors[20] == pytest.approx(LAST_RATE + (1 - LAST_RATE) / 2)
    assert factors[40] == pytest.approx(LAST_RATE)


def test_by_the_clock_the_rate_falls_to_one_per_cent_at_the_limit(a_clock):
    schedule = Schedule(None, seconds=60)
    a_clock[0] += 20  # start-up
    schedule.start(earlier_s=0)
    assert schedule.look(1000) == 0
    a_clock[0] += 20
    schedule.progress = schedule.look(2000)
    assert schedule.progress == pytest.approx(0.5)
    assert schedule.rate_factor(2000) == pytest.approx(LAST_RATE + (1 - LAST_RATE) / 2)
    a_clock[0] += 30
    schedule.progress = schedule.look(3000)
    assert schedule.progress == 1
    assert schedule.rate_factor(3000) == pytest.approx(LAST_RATE)


def test_a_training_by_the_clock_goes_on_where_it_was(a_clock):
    schedule = Schedule(None, seconds=60)
    schedule.start(earlier_s=30)
    assert schedule.look(500) == pytest.approx(0.5)
    a_clock[0] += 15
    assert (schedule.look(700), schedule.spent_s) == (pytest.approx(0.75), pytest.approx(45))


def test_a_time_limit_interrupts_a_schedule_of_steps_and_does_not_change_it(a_clock):
    limited, free = Schedule(40, seconds=60), Schedule(40, math.inf)
    assert limited.look(10) == free.look(10) == 0.25
    a_clock[0] += 61
    assert (limited.look(10), free.look(10)) == (1, 0.25)
    assert limited.rate_factor(10) == free.rate_factor(10)
