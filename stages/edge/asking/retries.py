"""What is asked again, when, and when there is no more use in it."""

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
"""After being told so often that servers are busy, which takes an hour, a query is given up like one that fails."""
RECENT_CALLS = 2_000
CALLS_TO_JUDGE = 50
DEVIATIONS = 3.0
"""How many standard deviations the failures must lie above what is allowed before a run is stopped for them."""


@dataclass
class Work:
    """Queries of one problem that travel in one request."""

    queries: list[Query]
    num_failures: int = 0
    num_busy: int = 0
    num_slips: int = 0
    """Replies that were no answers, which the same seed would bring again."""


class Retries:
    """Work that waits for its next attempt."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: list[tuple[float, int, Work]] = []
        self._order = count()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def again(self, work: Work, failure: replies.Failure, max_attempts: int) -> bool:
        """Have `work` wait, longer each time (exponential backoff with jitter); false when it is to be given up."""
        is_busy = failure.kind == "busy"
        work.num_busy += is_busy
        work.num_failures += not is_busy or work.num_busy > MOST_BUSY
        work.num_slips += failure.kind == "reply"
        if failure.kind == "row" or work.num_failures >= max_attempts:
            return False
        step = min(work.num_failures + work.num_busy, MOST_BUSY)
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**step) * random.uniform(0.5, 1.0)
        ready = time.monotonic() + max(backoff, min(failure.wait or 0.0, pool.LONGEST_PAUSE))
        heapq.heappush(self._waiting, (ready, next(self._order), work))
        return True

    def take(self) -> Work | None:
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

    def brought(self, nothing_because: str | None = None) -> None:
        """Count a call, and why it brought nothing.

        A few failures among the first calls happen also where the share is as allowed, so chance is given its due.

        Raises:
            ServerError: so many fail that to go on makes no sense.
        """
        failed = nothing_because is not None
        if len(self._recent) == RECENT_CALLS:
            self._failures -= self._recent[0]
        self._recent.append(failed)
        self._failures += failed
        calls, allowed = len(self._recent), self._allowed
        bound = allowed * calls + DEVIATIONS * (allowed * (1 - allowed) * calls) ** 0.5
        if failed and calls >= CALLS_TO_JUDGE and self._failures > bound:
            raise ServerError(
                f"{self._failures} of the last {calls} calls brought no answer, more than runtime.max_failed_share "
                f"allows (the last: {nothing_because}); every answer so far is stored: mend the server or the settings "
                "and run again"
            )
