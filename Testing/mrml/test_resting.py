"""How long a tick rests: the thread gets most of the time, and the mouse is never held up for long."""

from __future__ import annotations

from dfqsam_scene.jobs.resting import Rest

# What a tick may hold the main thread for.
LIMIT_SECONDS = 0.03


def test_the_thread_has_most_of_the_time_while_somebody_waits_and_less_while_nobody_does():
    rest = Rest()
    # Beside 5 ms in which the loop keeps the lock: a ratio of 4 / 3 at most, whatever the thread does.
    assert rest.seconds(is_waited_for=True, is_deliverable=False) == 0.015
    assert rest.seconds(is_waited_for=False, is_deliverable=False) == 0.005


def test_what_a_tick_delivers_is_not_kept_waiting():
    assert Rest().seconds(is_waited_for=True, is_deliverable=True) == 0.001


def test_work_that_keeps_the_lock_makes_rests_shorter_until_it_is_forgotten():
    rest = Rest()
    for overrun in (0.004, 0.012, 0.018):
        asked = rest.seconds(is_waited_for=True, is_deliverable=False)
        rest.note(asked, asked + overrun)
        # The next piece that keeps it as long does not hold the main thread beyond the limit.
        assert rest.seconds(is_waited_for=True, is_deliverable=False) + overrun < LIMIT_SECONDS
    for _ in range(100):
        rest.note(0.001, 0.001)
    assert rest.seconds(is_waited_for=True, is_deliverable=False) == 0.015


def test_a_computer_with_too_much_to_do_does_not_starve_the_thread():
    # The system took the processor away: shorter rests would not have made the tick short.
    rest = Rest()
    rest.note(0.015, 0.2)
    assert rest.seconds(is_waited_for=True, is_deliverable=False) == 0.005


def test_a_rest_that_ended_early_is_no_overrun():
    rest = Rest()
    rest.note(0.015, 0.002)
    assert rest.seconds(is_waited_for=True, is_deliverable=False) == 0.015
