"""The progress line of a sampling run: answers, tokens a second, endpoints, failures, time left."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence

from stages.core.sampling.queries import Answer
from stages.edge.engines.pool import Endpoint

SECONDS_ON_TERMINAL = 0.5
SECONDS_IN_LOG = 60.0
SECONDS_OF_RATE = 60.0
STALLED_SHARE = 0.25
"""Of the mean rate of the run: below it no time is shown."""
MOST_ENDPOINTS_SHOWN = 4

Log = Callable[[Mapping[str, float]], None]
"""Takes the figures of a run, for tracking."""


class Progress:
    """Counts answers and shows one live line on a terminal, a plain line now and then elsewhere."""

    def __init__(self, label: str, num_queries: int, log: Log) -> None:
        """`label` names the run; `log` receives the figures each time they are shown."""
        self._label, self._total, self._log = label, num_queries, log
        self._stored = self._new = self._tokens = self._retries = self._truncated = self._failed = 0
        self._endpoints: Sequence[Endpoint] = []
        self._started = self._shown = time.monotonic()
        self._recent = [(self._started, 0)]
        self._live = sys.stderr.isatty()
        self.last_failure = ""

    def watch(self, endpoints: Sequence[Endpoint]) -> None:
        """Show these endpoints from now on."""
        self._endpoints = endpoints

    def stored(self, num_stored: int) -> None:
        """Count answers that were stored before."""
        self._stored += num_stored

    def dropped(self, num_queries: int) -> None:
        """Count queries that need not be asked after all."""
        self._total -= num_queries

    def answered(self, answer: Answer) -> None:
        """Count an answer that came back."""
        self._new += 1
        self._tokens += answer.completion_tokens or 0
        self._truncated += answer.status == "length"
        self._failed += answer.status in ("failed", "refused")
        self.show_now_and_then()

    def retried(self, reason: str) -> None:
        """Count a call that brought no answer and will be tried again."""
        self._retries += 1
        self.last_failure = reason
        self.show_now_and_then()

    def show_now_and_then(self) -> None:
        """Print the line if that was not done for a while."""
        if time.monotonic() - self._shown >= (SECONDS_ON_TERMINAL if self._live else SECONDS_IN_LOG):
            self.show(last=False)

    def start(self) -> None:
        """Print how many answers are wanted."""
        print(f"{self._label}: {self._total} answers wanted", file=sys.stderr, flush=True)

    def show(self, last: bool = True) -> None:
        """Print the line; the last one stays."""
        self._shown = time.monotonic()
        rate = self._rate(self._shown)
        done = self._stored + self._new
        parts = [f"{done}/{self._total} answers"]
        if self._stored:
            parts.append(f"{self._stored} already stored")
        if self._new:
            parts += [f"{rate:.0f} tok/s", f"{self._truncated} truncated"]
        if self._retries or self._failed:
            parts += [f"{self._retries} retries", f"{self._failed} failed"]
        if last:
            parts.append(f"{self._shown - self._started:.0f} s")
        else:
            left = self._seconds_left(rate)
            parts += [*self._running(), *([] if left is None else [f"{left:.0f} s left"])]
        line = f"{self._label}: {', '.join(parts)}"
        end = "\n" if last or not self._live else ""
        print(f"\r\x1b[K{line}" if self._live else line, end=end, file=sys.stderr, flush=True)
        self._log({"answers": done, "tokens_per_second": rate, "retries": self._retries, **self._endpoint_metrics()})

    def _rate(self, now: float) -> float:
        """Tokens a second, over the last minute."""
        self._recent.append((now, self._tokens))
        while len(self._recent) > 2 and now - self._recent[1][0] > SECONDS_OF_RATE:
            self._recent.pop(0)
        time_before, tokens_before = self._recent[0]
        return (self._tokens - tokens_before) / max(now - time_before, 1e-3)

    def _seconds_left(self, rate: float) -> float | None:
        """Seconds until all is answered, from the tokens that the answers still to come will have.

        None before the first answer, and while servers start or start anew: their rate says nothing then.
        """
        mean_rate = self._tokens / max(self._shown - self._started, 1e-3)
        if not self._tokens or rate < STALLED_SHARE * mean_rate:
            return None
        return (self._total - self._stored - self._new) * self._tokens / self._new / max(rate, 1e-3)

    def _running(self) -> list[str]:
        """Requests in flight of each endpoint, or of all where there are many."""
        if len(self._endpoints) > MOST_ENDPOINTS_SHOWN:
            paused = sum(each.state == "paused" for each in self._endpoints)
            running = sum(each.in_flight for each in self._endpoints)
            return [f"{running} running on {len(self._endpoints)} servers" + (f", {paused} paused" if paused else "")]
        return [f"running {' '.join(map(_state, self._endpoints))}"] if self._endpoints else []

    def _endpoint_metrics(self) -> dict[str, float]:
        return {
            f"endpoint_{place}/{name}": value
            for place, each in enumerate(self._endpoints)
            for name, value in (("running", each.in_flight), ("limit", each.limit), ("tokens", each.num_tokens))
        }


def _state(endpoint: Endpoint) -> str:
    if endpoint.state == "paused":
        return "paused"
    waiting = f" ({endpoint.num_waiting} waiting)" if endpoint.num_waiting else ""
    return f"{endpoint.in_flight}/{endpoint.limit}{waiting}"
