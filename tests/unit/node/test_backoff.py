import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.node.backoff import (
    RESTART_MAX_SECONDS,
    RESTART_RESET_SECONDS,
    RETIRE_BURST,
    RETIRE_REFILL_SECONDS,
    RestartBackoff,
    RetireThrottle,
)


def delays_of(crash_count, *, healthy_seconds=0.0):
    backoff, delays = RestartBackoff(), []
    for _ in range(crash_count):
        backoff, delay = backoff.after_crash(healthy_seconds=healthy_seconds)
        delays.append(delay)
    return delays


def test_first_crash_restarts_at_once_and_later_ones_double():
    assert delays_of(6) == [0, 1, 2, 4, 8, 16]


def test_delay_stops_growing_at_five_minutes():
    assert delays_of(40)[-30:] == [RESTART_MAX_SECONDS] * 30


def test_ten_healthy_minutes_forget_earlier_crashes():
    backoff = RestartBackoff(crashes=9)

    after, delay = backoff.after_crash(healthy_seconds=RESTART_RESET_SECONDS)

    assert (after.crashes, delay) == (1, 0)


def test_almost_ten_healthy_minutes_forget_nothing():
    _, delay = RestartBackoff(crashes=3).after_crash(healthy_seconds=RESTART_RESET_SECONDS - 0.1)

    assert delay == 4


@given(st.integers(min_value=0, max_value=10**6), st.floats(0, RESTART_RESET_SECONDS - 1))
def test_more_crashes_never_wait_shorter(crashes, healthy_seconds):
    _, fewer = RestartBackoff(crashes).after_crash(healthy_seconds=healthy_seconds)
    _, more = RestartBackoff(crashes + 1).after_crash(healthy_seconds=healthy_seconds)

    assert fewer <= more <= RESTART_MAX_SECONDS


def test_successors_start_at_once_while_the_budget_lasts():
    throttle, delays = RetireThrottle(), []
    for _ in range(RETIRE_BURST + 1):
        throttle, delay = throttle.after_retirement(now=100.0)
        delays.append(delay)

    assert delays == [0.0] * RETIRE_BURST + [RETIRE_REFILL_SECONDS]


@pytest.mark.parametrize("lifetime", [0.0, 0.01, 0.3, 1.0])
def test_retiring_without_end_starts_no_more_than_the_budget_allows(lifetime):
    throttle, now, starts = RetireThrottle(counted_at=0.0), 0.0, 0
    while now < 600:
        throttle, delay = throttle.after_retirement(now)
        now += delay + lifetime
        starts += 1

    assert starts <= RETIRE_BURST + 600 / RETIRE_REFILL_SECONDS + 1


def test_rare_retirements_never_wait():
    throttle = RetireThrottle()
    for minute in range(100):
        throttle, delay = throttle.after_retirement(now=minute * 60.0)

        assert delay == 0
