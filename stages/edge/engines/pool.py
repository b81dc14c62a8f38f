"""The servers that answer for one model: how many requests each may have, and which of them fail.

Each endpoint has a limit of requests in flight, fixed or tuned. A tuned one rises round by round while that brings more
tokens a second, goes back a step where it only makes each answer slower, and falls by a factor when the server says
that it is busy (additive increase, multiplicative decrease; Chiu and Jain, 1989). An endpoint that fails several times
in a row, or makes no progress, is paused for a while, then probed, then taken back at its former limit (a circuit
breaker): a recovered server is soon as busy as before.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Literal

FIRST_LIMIT = 8
MAX_LIMIT = 4096
DECREASE = 0.7
MIN_GAIN = 0.3
"""Tokens a second must grow by this share of what the limit grew by, or it was raised too far."""
ROUNDS_TO_HOLD = 8
"""Rounds that a limit found too high is left alone before it is tried again."""
SECONDS_BETWEEN_CUTS = 2.0
FAILURES_TO_PAUSE = 5
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
ANSWERS_TO_KNOW_RATE = 16
DEADLINE_SLACK = 4.0
LATE_FACTOR = 1.5
SHORTEST_DEADLINE = 60.0
WEIGHT_OF_NEWEST = 0.1

State = Literal["open", "paused", "probing"]


class Endpoint:
    """One server. Times are seconds of `clock`."""

    def __init__(self, url: str, limit: int | Literal["auto"], clock: Callable[[], float] = time.monotonic) -> None:
        """`limit` requests in flight, or "auto"."""
        self.url, self.clock = url, clock
        self._tuned = limit == "auto"
        self.limit: int = FIRST_LIMIT if limit == "auto" else limit
        self.in_flight = 0
        self.state: State = "open"
        self._failures, self._pause, self.retry_at = 0, FIRST_PAUSE, 0.0
        self._seconds_per_token: float | None = None
        self._num_rates = 0
        self._previous_limit = self._rounds_to_hold = 0
        self._last_rate, self._has_been_too_high = 0.0, False
        self._round_tokens = self._round_answers = 0
        self._round_started = clock()
        self._cut_at = -SECONDS_BETWEEN_CUTS
        self._busy_until = 0.0
        self.num_tokens = 0
        self.num_waiting: int | None = None
        """Requests in flight that wait in the server's own queue, if it counts them."""
        self.progressed_at = clock()
        self.last_token_at = clock()
        self.is_starting = False
        """Whether its engine is being restarted, which may take any time."""

    @property
    def load(self) -> float:
        """Share of its limit in use."""
        return self.in_flight / self.limit

    @property
    def is_trusted(self) -> bool:
        """Whether an answer may come from it: it is open, or works on the request that tests it."""
        return self.state == "open" or (self.state == "probing" and self.in_flight > 0)

    @property
    def has_room(self) -> bool:
        """Whether one more request may be sent there now."""
        most = {"open": self.limit, "probing": 1, "paused": 0}[self.state]
        return self.in_flight < most and self.clock() >= self._busy_until

    def began(self) -> None:
        """A request was sent."""
        if not self.in_flight:
            self.progressed_at = self.clock()
        self.in_flight += 1

    def ended(self) -> None:
        """A request came back, with or without an answer."""
        self.in_flight -= 1

    def progressed(self) -> None:
        """The server made a token for any request: if it was being probed, it is well again."""
        self.progressed_at = self.last_token_at = self.clock()
        if self.state == "probing":
            self._failures, self._pause, self.state = 0, FIRST_PAUSE, "open"

    def answered(self, seconds: float, tokens: Sequence[int], saturated: bool) -> None:
        """A reply with choices of so many `tokens` came after `seconds`; `saturated`: every slot was in use."""
        self._failures, self._pause, self.state = 0, FIRST_PAUSE, "open"
        self.progressed_at = self.last_token_at = self.clock()
        num_tokens = sum(tokens)
        self.num_tokens += num_tokens
        if num_tokens:
            pace = seconds / max(tokens)  # choices are made side by side, and the reply waits for the longest
            old = self._seconds_per_token
            self._seconds_per_token = pace if old is None else old + WEIGHT_OF_NEWEST * (pace - old)
            self._num_rates += 1
        if self._tuned:
            self._round_tokens += num_tokens or 1
            self._round_answers += 1
            if self._round_answers >= self.limit:
                self._end_round(saturated)

    def _end_round(self, saturated: bool) -> None:
        now = self.clock()
        rate = self._round_tokens / max(now - self._round_started, 1e-6)
        self._round_tokens, self._round_answers, self._round_started = 0, 0, now
        if not saturated:
            return  # unused slots show nothing about the limit
        if self._rounds_to_hold:
            self._rounds_to_hold -= 1
        elif self._previous_limit and rate < (1 + MIN_GAIN * (self.limit / self._previous_limit - 1)) * self._last_rate:
            self.limit, self._rounds_to_hold = self._previous_limit, ROUNDS_TO_HOLD
            self._has_been_too_high, self._previous_limit = True, 0
        else:
            # From a low start by halves (slow start), by tenths once it was too high.
            self._previous_limit = self.limit
            self.limit = min(MAX_LIMIT, self.limit + max(1, self.limit // (10 if self._has_been_too_high else 2)))
        self._last_rate = rate

    def busy(self, wait: float | None) -> None:
        """The server replied that it is busy, perhaps for `wait` seconds: its limit is too high."""
        now = self.clock()
        self._busy_until = now + min(wait or 0.0, LONGEST_PAUSE)
        if self._tuned and now - self._cut_at > SECONDS_BETWEEN_CUTS:  # many requests hear it at once; it counts once
            self.limit = max(1, int(self.limit * DECREASE))
            self._cut_at, self._rounds_to_hold = now, ROUNDS_TO_HOLD
            self._has_been_too_high, self._previous_limit = True, 0

    def failed(self) -> None:
        """A request failed in a way that may be the server's fault."""
        self._failures += 1
        if self.state == "probing" or (self.state == "open" and self._failures >= FAILURES_TO_PAUSE):
            self.pause()

    def was_late(self) -> None:
        """A request went over its deadline: the server may have become slower than its answers showed so far."""
        if self._seconds_per_token is not None:
            self._seconds_per_token *= LATE_FACTOR

    def pause(self) -> None:
        """Send nothing there for a while, each time longer."""
        self.state = "paused"
        self.retry_at = self.clock() + self._pause * random.uniform(0.75, 1.25)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def readmit(self) -> None:
        """It answered a probe: send it one request, and all that it had before when that makes a token."""
        self.state = "probing"
        self.progressed_at = self.clock()

    def deadline(self, max_tokens: int, longest: float) -> float:
        """Seconds after which a request for `max_tokens` counts as lost.

        Until some answers have shown how fast the server is, `longest`.
        """
        if self._seconds_per_token is None or self._num_rates < ANSWERS_TO_KNOW_RATE:
            return longest
        return min(longest, max(SHORTEST_DEADLINE, DEADLINE_SLACK * self._seconds_per_token * max_tokens))


def least_loaded(endpoints: Sequence[Endpoint]) -> Endpoint | None:
    """The endpoint with room that uses the smallest share of its limit."""
    free = [endpoint for endpoint in endpoints if endpoint.has_room]
    return min(free, key=lambda endpoint: endpoint.load) if free else None
