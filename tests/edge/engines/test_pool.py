"""Limits that find themselves, and a circuit breaker, told on a clock of our own."""

from typing import Any

import pytest

from stages.edge.engines import pool
from stages.edge.engines.pool import Endpoint


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def endpoint(clock: Clock, limit: Any = 4) -> Endpoint:
    return Endpoint("http://x/v1", limit, clock)


def run_rounds(one: Endpoint, clock: Clock, rounds: int, tokens_per_second: Any, tokens: int = 100) -> list[int]:
    """Rounds of full use of a server that makes `tokens_per_second(limit)`; the limit after each."""
    limits = []
    for _ in range(rounds):
        limit = one.limit
        seconds = limit * tokens / tokens_per_second(limit)
        for _ in range(limit):
            one.began()
        for _ in range(limit):
            clock.now += seconds / limit
            one.answered(seconds, [tokens], saturated=True)
            one.ended()
        limits.append(one.limit)
    return limits


def test_a_fixed_limit_stays(clock: Clock) -> None:
    one = endpoint(clock, 3)
    assert set(run_rounds(one, clock, 30, lambda limit: 100.0 * limit)) == {3}
    one.busy(None)
    assert one.limit == 3


def test_a_limit_of_its_own_grows_to_where_the_server_gives_no_more(clock: Clock) -> None:
    one = endpoint(clock, "auto")
    limits = run_rounds(one, clock, 200, lambda limit: 50.0 * min(limit, 100))
    assert min(limits[20:]) >= 60 and max(limits[20:]) <= 160, limits


def test_it_does_not_grow_while_it_is_not_used(clock: Clock) -> None:
    one = endpoint(clock, "auto")
    for _ in range(100):
        one.answered(1.0, [10], saturated=False)
    assert one.limit == pool.FIRST_LIMIT


def test_a_busy_server_is_asked_less_once_for_each_time_that_it_says_so(clock: Clock) -> None:
    one = endpoint(clock, "auto")
    one.limit = 100
    for _ in range(30):
        one.busy(None)
    assert one.limit == 70
    clock.now += 10
    one.busy(None)
    assert one.limit == 49


def test_a_server_that_asks_for_time_gets_it(clock: Clock) -> None:
    one = endpoint(clock)
    one.busy(3.0)
    assert not one.has_room
    clock.now += 3.1
    assert one.has_room


def test_a_limit_never_falls_below_one(clock: Clock) -> None:
    one = endpoint(clock, "auto")
    for _ in range(40):
        clock.now += 10
        one.busy(None)
    assert one.limit == 1


def test_several_failures_in_a_row_pause_it_each_time_longer_and_an_answer_forgives_all(clock: Clock) -> None:
    one = endpoint(clock)
    for _ in range(pool.FAILURES_TO_PAUSE - 1):
        one.failed()
    one.answered(1.0, [1], saturated=True)
    for _ in range(pool.FAILURES_TO_PAUSE - 1):
        one.failed()
    assert one.state == "open"
    one.failed()
    assert one.state == "paused" and not one.has_room
    pauses = []
    for _ in range(10):
        pauses.append(one.retry_at - clock.now)
        clock.now = one.retry_at
        one.readmit()
        one.failed()
        assert one.state == "paused", "a probe that fails pauses it again at once"
    assert pauses[0] < 1.3 and pauses[-1] > 40 and max(pauses) <= 1.25 * pool.LONGEST_PAUSE


def test_a_token_of_whatever_request_opens_an_endpoint_that_was_taken_back(clock: Clock) -> None:
    one = endpoint(clock, 8)
    for _ in range(pool.FAILURES_TO_PAUSE):
        one.failed()
    one.progressed()
    assert one.state == "paused", "what it makes while it is left alone says nothing"
    one.readmit()
    one.began()
    assert not one.has_room
    clock.now += 5
    one.progressed()
    assert one.has_room and one.state == "open" and one.last_token_at == clock.now


def test_a_deadline_covers_the_longest_choice_and_grows_when_a_request_was_late(clock: Clock) -> None:
    one = endpoint(clock)
    for _ in range(pool.ANSWERS_TO_KNOW_RATE):
        one.answered(100.0, [1000, 100, 100, 100], saturated=True)  # a tenth of a second a token of the longest
    expected = pool.DEADLINE_SLACK * 0.1 * 5000
    assert one.deadline(5000, 10**6) == pytest.approx(expected)
    one.was_late()
    assert one.deadline(5000, 10**6) == pytest.approx(expected * pool.LATE_FACTOR)


def test_after_a_pause_one_request_goes_first_and_then_as_many_as_before(clock: Clock) -> None:
    one = endpoint(clock, 8)
    for _ in range(pool.FAILURES_TO_PAUSE):
        one.failed()
    one.readmit()
    assert one.has_room
    one.began()
    assert not one.has_room
    one.answered(1.0, [1], saturated=False)
    one.ended()
    for _ in range(8):
        assert one.has_room
        one.began()
    assert not one.has_room


def test_the_least_loaded_is_the_one_with_the_smallest_share_in_use(clock: Clock) -> None:
    small, large, paused = endpoint(clock, 2), endpoint(clock, 100), endpoint(clock, 100)
    paused.pause()
    small.began()
    for _ in range(40):
        large.began()
    assert pool.least_loaded([small, large, paused]) is large
    for _ in range(60):
        large.began()
    assert pool.least_loaded([small, large, paused]) is small
    small.began()
    assert pool.least_loaded([small, large, paused]) is None


def test_a_deadline_is_the_longest_until_the_pace_is_known_and_then_a_multiple_of_it(clock: Clock) -> None:
    one = endpoint(clock)
    assert one.deadline(1000, 7200.0) == 7200.0
    for _ in range(pool.ANSWERS_TO_KNOW_RATE):
        one.answered(50.0, [500], saturated=True)
    assert one.deadline(1000, 7200.0) == pytest.approx(pool.DEADLINE_SLACK * 0.1 * 1000)
    assert one.deadline(10, 7200.0) == pool.SHORTEST_DEADLINE
    assert one.deadline(10**9, 7200.0) == 7200.0
    assert one.deadline(10, 5.0) == 5.0


def test_an_endpoint_that_works_on_the_request_that_tells_is_not_gone() -> None:
    one = Endpoint("http://x/v1", 4)
    one.pause()
    assert not one.is_trusted
    one.readmit()
    assert not one.is_trusted, "nothing is asked of it yet"
    one.began()
    assert one.is_trusted
