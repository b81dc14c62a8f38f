"""The progress line of a sampling run: answers, tokens a second, failures, time left."""

import sys
import time
from collections.abc import Callable, Mapping

from stages.core.queries import Answer

SECONDS_ON_TERMINAL = 0.5
SECONDS_IN_LOG = 15.0


class Progress:
    """Counts answers and shows one live line on a terminal, a plain line now and then elsewhere."""

    def __init__(
        self, what: str, num_queries: int, num_stored: int, log: Callable[[Mapping[str, float]], None]
    ) -> None:
        """`what` names the run; `log` receives the figures each time they are shown (MLflow)."""
        self._what, self._total, self._log = what, num_queries, log
        self._done = num_stored
        self._new = self._tokens = self._retries = self._truncated = 0
        self._started = self._shown = time.monotonic()
        self._live = sys.stderr.isatty()
        print(f"{what}: {num_queries} answers wanted, {num_stored} already stored", file=sys.stderr, flush=True)

    def answered(self, answer: Answer) -> None:
        """Count an answer that came back."""
        self._done += 1
        self._new += 1
        self._tokens += answer.completion_tokens or 0
        self._truncated += answer.status == "length"
        if time.monotonic() - self._shown >= (SECONDS_ON_TERMINAL if self._live else SECONDS_IN_LOG):
            self.show(last=False)

    def retried(self) -> None:
        """Count a call that failed and will be tried again."""
        self._retries += 1

    def show(self, last: bool = True) -> None:
        """Print the line; the last one stays."""
        self._shown = time.monotonic()
        seconds = max(self._shown - self._started, 1e-3)
        rate = self._tokens / seconds
        left = (self._total - self._done) * seconds / max(self._new, 1)
        line = (
            f"{self._what}: {self._done}/{self._total} answers, {rate:.0f} tok/s, {self._truncated} truncated, "
            f"{self._retries} retries, " + (f"{seconds:.0f} s" if last else f"{left:.0f} s left")
        )
        end = "\n" if last or not self._live else ""
        print(f"\r\x1b[K{line}" if self._live else line, end=end, file=sys.stderr, flush=True)
        self._log({"answers": self._done, "tokens_per_second": rate, "retries": self._retries})
