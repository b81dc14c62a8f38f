"""Retries: what is asked again and when, and when a run is given up."""

import heapq
import random
import time
from collections import deque
from dataclasses import dataclass
from itertools import count

from stages.core.sampling.queries import Query
from stages.edge.asking import replies
from stages.edge.engines import pool
from stages.edge.errors import ServerError

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 60.0
SHORTEST_WAIT = 0.001
MOST_BUSY = 60
"""Busy replies to a query, about an hour of them, from which on each counts as a failure."""
RECENT_CALLS = 2_000
CALLS_TO_JUDGE = 50
DEVIATIONS = 3.0
"""How many standard deviations the failures must lie above what is allowed before a run is stopped for them."""


@dataclass
class Batch:
    """Queries of one problem that travel in one request."""

    queries: list[Query]
    num_failures: int = 0
    num_busy: int = 0
    num_bad_replies: int = 0
    """Malformed replies, those of earlier runs too; the same seed would bring them again."""


class Retries:
    """Work that waits for its next attempt."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: list[tuple[float, int, Batch]] = []
        self._order = count()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def schedule(self, batch: Batch, failure: replies.Failure, max_attempts: int) -> bool:
        """Have `work` wait, longer each time (exponential backoff with jitter); false when it is to be given up."""
        is_busy = failure.kind == "busy"
        batch.num_busy += is_busy
        batch.num_failures += not is_busy or batch.num_busy > MOST_BUSY
        batch.num_bad_replies += failure.kind == "reply"
        if failure.kind == "row" or batch.num_failures >= max_attempts:
            return False
        step = min(batch.num_failures + batch.num_busy, MOST_BUSY)
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**step) * random.uniform(0.5, 1.0)
        ready = time.monotonic() + max(backoff, min(failure.wait or 0.0, pool.LONGEST_PAUSE))
        heapq.heappush(self._waiting, (ready, next(self._order), batch))
        return True

    def take(self) -> Batch | None:
        """The work that has waited long enough, if any."""
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        return None

    def seconds_to_next(self) -> float:
        """Until some work has waited long enough; infinite when none waits."""
        return max(SHORTEST_WAIT, self._waiting[0][0] - time.monotonic()) if self._waiting else float("inf")


class RecentCalls:
    """The share of calls that brought no answer, over the last few thousand."""

    def __init__(self, allowed: float) -> None:
        """`allowed` is the share that may fail."""
        self._allowed = allowed
        self._recent: deque[bool] = deque(maxlen=RECENT_CALLS)
        self._failures = 0

    def record(self, failure: str | None = None) -> None:
        """Count a call; `failure` is why it brought no answer.

        Among few calls more than the allowed share may fail by chance, so the bound lies `DEVIATIONS` above it.

        Raises:
            ServerError: more calls fail than that.
        """
        failed = failure is not None
        if len(self._recent) == RECENT_CALLS:
            self._failures -= self._recent[0]
        self._recent.append(failed)
        self._failures += failed
        calls, allowed = len(self._recent), self._allowed
        bound = allowed * calls + DEVIATIONS * (allowed * (1 - allowed) * calls) ** 0.5
        if failed and calls >= CALLS_TO_JUDGE and self._failures > bound:
            raise ServerError(
                f"{self._failures} of the last {calls} calls brought no answer, more than runtime.max_failed_share "
                f"allows (the last: {failure}); every answer so far is stored: mend the server or the settings "
                "and run again"
            )
