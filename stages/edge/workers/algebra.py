"""Workers: processes that decide pairs of answers by algebra, and are killed when one takes too long.

Computer algebra can run for hours, or ask for all memory, on an answer of a dozen characters. Each pair therefore runs
in the main thread of a worker process (math-verify needs that), under a wall-clock limit that the parent enforces and a
cap on memory. A worker over its limit is killed and replaced; only its pair is lost.
"""

import atexit
import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from enum import StrEnum
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from types import ModuleType, TracebackType
from typing import Any, Literal, Self

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from stages.core.equality.relations import accepts_symbolically, same_symbolically
from stages.edge import params
from stages.edge.workers import cluster
from stages.edge.workers.decisions import Decisions, Pair

Relation = Literal["accepts", "same"]

PAIRS_PER_WORKER = 5_000
"""A worker is replaced after so many pairs: sympy's caches grow."""
PAIRS_IN_FLIGHT = 1_000
PAIRS_PER_TASK = 50
"""At most, on Ray: a lost node costs no more than that."""
TASKS_PER_CPU = 4
"""On Ray; several, so that no processor of the cluster waits long for the slowest."""
ATTEMPTS = 3
"""How often a pool that broke without naming a pair is started again for the pairs that are left."""
GIB = 2**30


class Outcome(StrEnum):
    """Of a pair; `unparsable` was refused or could not be read, `timeout` went over its time or memory."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE = "unparsable"
    TIMEOUT = "timeout"


def pairs_at_once(num_cpus: int) -> int:
    """Pairs that keep a cluster of so many processors busy; their decisions are written down when all are there."""
    return max(PAIRS_IN_FLIGHT, PAIRS_PER_TASK * TASKS_PER_CPU * num_cpus)


def pairs_per_task(num_pairs: int, num_cpus: int) -> int:
    """Pairs of a task on Ray, of so many that are decided at once: few pairs are spread over the processors as well."""
    return max(1, min(PAIRS_PER_TASK, math.ceil(num_pairs / (TASKS_PER_CPU * num_cpus))))


def symbolic(limits: params.SymbolicLimits, runtime: params.Runtime) -> "Symbolic":
    """The workers by params.yaml, with the decisions of earlier runs of this project."""
    on_ray = runtime.pool == "ray"
    return Symbolic(runtime.num_workers, limits.seconds, limits.memory_gib, Decisions(), on_ray)


class _Process(ForkServerProcess):
    """A process that does not run the main module again: a script that trains at its top level would train again."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: ANN401  the name is multiprocessing's
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # without a file or a name there is nothing to run
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(ForkServerContext):
    """Starts such processes."""

    Process = _Process


class Symbolic:
    """A pool of workers, used as a context manager.

    `num_workers` processes, started with the first pair; `seconds` of wall clock per pair; `memory_gib` of address
    space per worker; `remembered`: decisions of other runs, used and added to. `on_ray`: the workers of a Ray cluster
    keep a process each that may be killed, instead of `num_workers` here.
    May be used from any thread, by one thread at a time.
    """

    def __init__(
        self,
        num_workers: int,
        seconds: float,
        memory_gib: float,
        remembered: Decisions | None = None,
        on_ray: bool = False,
    ) -> None:
        if num_workers < 1 or seconds <= 0 or memory_gib <= 0:
            raise ValueError("num_workers, seconds and memory_gib must be positive")
        self._num_workers = num_workers
        self._seconds = seconds
        self._memory_bytes = int(memory_gib * GIB)
        self._remembered, self._on_ray = remembered, on_ray
        self._pool: ProcessPool | None = None
        self._decided: dict[tuple[Relation, Pair], Outcome] = {}
        self.num_decided = self.num_remembered = 0
        self.seconds_used = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._remembered:
            self._remembered.close()

    def decide(self, pairs: Sequence[Pair], relation: Relation) -> dict[Pair, Outcome]:
        """The outcome of each distinct pair; for `accepts` the gold stands first."""
        started = time.monotonic()
        distinct = list(dict.fromkeys(pairs))
        outcomes = {pair: self._decided[relation, pair] for pair in distinct if (relation, pair) in self._decided}
        if self._remembered:
            known = self._remembered.get(relation, [pair for pair in distinct if pair not in outcomes])
            outcomes |= {pair: Outcome(outcome) for pair, outcome in known.items()}
            self.num_remembered += len(known)
        pending = [pair for pair in distinct if pair not in outcomes]
        at_once = pairs_at_once(cluster.num_cpus()) if pending and self._on_ray else PAIRS_IN_FLIGHT
        for batch in (pending[start : start + at_once] for start in range(0, len(pending), at_once)):
            decided = (self._decide_on_ray if self._on_ray else self._decide_batch)(batch, relation)
            self.num_decided += len(decided)
            outcomes |= decided
            self._decided |= {(relation, pair): outcome for pair, outcome in decided.items()}
            if self._remembered:
                lasting = {pair: str(outcome) for pair, outcome in decided.items() if outcome is not Outcome.TIMEOUT}
                self._remembered.put(relation, lasting)
        self.seconds_used += time.monotonic() - started
        return outcomes

    def metrics(self) -> dict[str, float]:
        """Pairs that were decided by algebra, those that were remembered from another run, and the seconds for both."""
        return {
            "num_pairs_by_algebra": self.num_decided,
            "num_pairs_remembered": self.num_remembered,
            "seconds_of_algebra": round(self.seconds_used, 1),
        }

    def _decide_batch(self, batch: list[Pair], relation: Relation) -> dict[Pair, Outcome]:
        outcomes: dict[Pair, Outcome] = {}
        for _ in range(ATTEMPTS):
            pending = [pair for pair in batch if pair not in outcomes]
            try:
                outcomes.update(self._run(pending, relation))
                return outcomes
            except RuntimeError:  # pebble's word for a pool that broke, BrokenProcessPool included
                self._stop()
        raise RuntimeError(f"the worker pool broke {ATTEMPTS} times; is there memory for {self._num_workers} workers?")

    def _decide_on_ray(self, batch: list[Pair], relation: Relation) -> dict[Pair, Outcome]:
        ray = cluster.connected()
        remote = ray.remote(_decide_in_task)
        limits = (relation, self._seconds, self._memory_bytes / GIB)
        size = pairs_per_task(len(batch), cluster.num_cpus())
        parts = [batch[start : start + size] for start in range(0, len(batch), size)]
        results = cluster.fetched([remote.remote(part, *limits) for part in parts])
        return {pair: Outcome(outcome) for outcomes in results for pair, outcome in outcomes}

    def _run(self, pairs: list[Pair], relation: Relation) -> Iterator[tuple[Pair, Outcome]]:
        pool = self._pool = self._pool or self._start()
        futures: list[tuple[Pair, ProcessFuture[Outcome]]] = [
            (pair, pool.schedule(_decide, args=(*pair, relation), timeout=self._seconds)) for pair in pairs
        ]
        for pair, future in futures:
            try:
                yield pair, future.result()
            except (FutureTimeoutError, ProcessExpired):
                yield pair, Outcome.TIMEOUT

    def _start(self) -> ProcessPool:
        # A fork server that has imported sympy once replaces a killed worker in milliseconds instead of a second.
        context = _Context()
        context.set_forkserver_preload([__name__])
        return ProcessPool(
            max_workers=self._num_workers,
            max_tasks=PAIRS_PER_WORKER,
            initializer=_limit_memory,
            initargs=(self._memory_bytes,),
            context=context,
        )

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None


_ray_pool: Symbolic | None = None


def _decide_in_task(pairs: list[Pair], relation: Relation, seconds: float, memory_gib: float) -> list[tuple[Pair, str]]:
    """Runs in a worker of Ray, which keeps its own process for the pairs."""
    global _ray_pool
    if _ray_pool is None:
        _ray_pool = Symbolic(1, seconds, memory_gib)
        atexit.register(_ray_pool._stop)
    return [(pair, str(outcome)) for pair, outcome in _ray_pool.decide(pairs, relation).items()]


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
