"""Workers: processes that decide pairs of answers by algebra, and are killed when one takes too long.

Computer algebra can run for hours, or ask for all memory, on an answer of a dozen characters. Each pair therefore runs
in the main thread of a worker process (math-verify needs that), under a wall-clock limit that the parent enforces and a
cap on memory. A worker over its limit is killed and replaced; only its pair is lost.
"""

import multiprocessing
import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from enum import StrEnum
from itertools import islice
from types import TracebackType
from typing import Literal, Self

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from stages.core.equivalence import accepts_symbolically, same_symbolically

Pair = tuple[str, str]
Relation = Literal["accepts", "same"]

PAIRS_PER_WORKER = 5_000
"""A worker is replaced after so many pairs: sympy's caches grow."""
PAIRS_IN_FLIGHT = 1_000
ATTEMPTS = 3
"""How often a pool that broke without naming a pair is started again for the pairs it still owes."""
GIB = 2**30


class Outcome(StrEnum):
    """What a worker found; `unparsable` was refused or could not be read, `timeout` went over its time or memory."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE = "unparsable"
    TIMEOUT = "timeout"


class Symbolic:
    """A pool of workers, used as a context manager.

    `num_workers` processes; `seconds` of wall clock per pair; `memory_gib` of address space per worker.
    May be used from any thread, by one thread at a time.
    """

    def __init__(self, num_workers: int, seconds: float, memory_gib: float) -> None:
        if num_workers < 1 or seconds <= 0 or memory_gib <= 0:
            raise ValueError("num_workers, seconds and memory_gib must be positive")
        self._num_workers = num_workers
        self._seconds = seconds
        self._memory_bytes = int(memory_gib * GIB)
        self._pool = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def decide(self, pairs: Sequence[Pair], relation: Relation) -> dict[Pair, Outcome]:
        """The outcome of each distinct pair; for `accepts` the gold stands first."""
        outcomes: dict[Pair, Outcome] = {}
        waiting = iter(dict.fromkeys(pairs))
        while batch := list(islice(waiting, PAIRS_IN_FLIGHT)):
            outcomes.update(self._decide_batch(batch, relation))
        return outcomes

    def _decide_batch(self, batch: list[Pair], relation: Relation) -> dict[Pair, Outcome]:
        outcomes: dict[Pair, Outcome] = {}
        for _ in range(ATTEMPTS):
            owed = [pair for pair in batch if pair not in outcomes]
            try:
                outcomes.update(self._run(owed, relation))
                return outcomes
            except RuntimeError:  # pebble's word for a pool that broke, BrokenProcessPool included
                self._stop()
                self._pool = self._start()
        raise RuntimeError(f"the worker pool broke {ATTEMPTS} times; is there memory for {self._num_workers} workers?")

    def _run(self, pairs: list[Pair], relation: Relation) -> Iterator[tuple[Pair, Outcome]]:
        futures: list[tuple[Pair, ProcessFuture[Outcome]]] = [
            (pair, self._pool.schedule(_decide, args=(*pair, relation), timeout=self._seconds)) for pair in pairs
        ]
        for pair, future in futures:
            try:
                yield pair, future.result()
            except (FutureTimeoutError, ProcessExpired):
                yield pair, Outcome.TIMEOUT

    def _start(self) -> ProcessPool:
        # A fork server that has imported sympy once replaces a killed worker in milliseconds instead of a second.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        return ProcessPool(
            max_workers=self._num_workers,
            max_tasks=PAIRS_PER_WORKER,
            initializer=_limit_memory,
            initargs=(self._memory_bytes,),
            context=context,
        )

    def _stop(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _limit_memory(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _decide(a: str, b: str, relation: Relation) -> Outcome:
    """Runs in a worker."""
    decide = accepts_symbolically if relation == "accepts" else same_symbolically
    try:
        return Outcome.EQUAL if decide(a, b) else Outcome.DIFFERENT
    except (TimeoutError, MemoryError):
        return Outcome.TIMEOUT
    except Exception:  # the boundary of this module: computer algebra raises anything, and only this pair is lost
        return Outcome.UNPARSABLE
