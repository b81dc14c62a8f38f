"""Queries still to be asked, made lazily from the problems: ten million take no more memory than a few."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from stages.core.sampling import adaptive, sample_selection
from stages.core.sampling.queries import Answer, Query
from stages.edge.asking import replies
from stages.edge.asking.progress import Progress
from stages.edge.store import Store

QUERIES_AT_ONCE = 4096


class Backlog(Protocol):
    """A source of queries that are not stored yet."""

    def take(self, most: int) -> list[Query]:
        """Up to `most` queries of one problem; none when nothing can be asked now."""

    def answered(self, query: Query, answer: Answer) -> None:
        """A query that was taken has its answer, or has failed for good."""


class Fixed:
    """The same number of samples of every problem."""

    def __init__(self, problems: Iterable[list[Query]], store: Store, progress: Progress) -> None:
        """`problems` gives all queries of each problem; stored ones are skipped and counted by `progress`."""
        self._missing = deque[list[Query]]()
        self._chunks = _unanswered(problems, store, progress)

    def take(self, most: int) -> list[Query]:
        """Up to `most` queries of one problem, in the order of the problems."""
        while not self._missing:
            chunk = next(self._chunks, None)
            if chunk is None:
                return []
            self._missing.extend(chunk)
        return _take_queries(self._missing, most)

    def answered(self, query: Query, answer: Answer) -> None:
        """The next query does not depend on an answer."""


def _unanswered(problems: Iterable[list[Query]], store: Store, progress: Progress) -> Iterator[list[list[Query]]]:
    """What the store does not hold, problem by problem, looked up for many problems at once."""
    for chunk in _chunks(_distinct(problems, progress)):
        keys = [query.key for each in chunk for query in each]
        stored = {key for key, is_known in zip(keys, store.known(keys), strict=True) if is_known}
        progress.stored(sum(key in stored for key in keys))
        missing = [[query for query in each if query.key not in stored] for each in chunk]
        yield [each for each in missing if each]


def _distinct(problems: Iterable[list[Query]], progress: Progress) -> Iterator[list[Query]]:
    """The problems without duplicates: a question that stands in two benchmarks is asked once."""
    seen: set[int] = set()
    for each in problems:
        first = int(each[0].key[:16], 16)
        if first in seen:
            progress.dropped(len(each))
        else:
            seen.add(first)
            yield each


def _chunks(problems: Iterable[list[Query]]) -> Iterator[list[list[Query]]]:
    chunk: list[list[Query]] = []
    size = 0
    for each in problems:
        chunk.append(each)
        size += len(each)
        if size >= QUERIES_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _take_queries(waiting: deque[list[Query]], most: int) -> list[Query]:
    """Up to `most` queries of the first problem that waits."""
    first = waiting[0]
    if len(first) <= most:
        return waiting.popleft()
    waiting[0] = first[most:]
    return first[:most]


class Peeked:
    """A backlog that is false when everything is stored, so that no server is started."""

    def __init__(self, backlog: Backlog, most: int) -> None:
        """Take up to `most` queries at once; `take` must be called with the same `most`."""
        self._backlog = backlog
        self._first = backlog.take(most)

    def __bool__(self) -> bool:
        """Whether there was something to ask."""
        return bool(self._first)

    def take(self, most: int) -> list[Query]:
        """The queries that were taken at once, then those of the backlog."""
        first, self._first = self._first, []
        return first or self._backlog.take(most)

    def answered(self, query: Query, answer: Answer) -> None:
        """Pass the answer on to the backlog."""
        self._backlog.answered(query, answer)


@dataclass
class _ProblemState:
    """A problem between two decisions: its answers by key, and the queries of this round that are not back."""

    queries: list[Query]
    end: int
    answers: dict[str, Answer] = field(default_factory=dict)
    num_waiting: int = 0


class Adaptive:
    """As many samples of each problem as the rule wants; rounds that have begun go before new problems."""

    def __init__(self, problems: Iterable[list[Query]], store: Store, progress: Progress, rule: adaptive.Rule) -> None:
        """`problems` gives all queries that a problem may get."""
        self._store, self._progress, self._rule = store, progress, rule
        self._problems = _distinct(problems, progress)
        self._ready = deque[list[Query]]()
        self._begun: dict[str, _ProblemState] = {}

    def take(self, most: int) -> list[Query]:
        """Up to `most` queries of one problem."""
        while not self._ready:
            queries = next(self._problems, None)
            if queries is None:
                return []
            self._advance(_ProblemState(queries, 0))
        return _take_queries(self._ready, most)

    def answered(self, query: Query, answer: Answer) -> None:
        """With the last answer of its round a problem stops, or its next round is ready."""
        problem = self._begun[query.problem_id]
        problem.answers |= replies.split({query.key: answer})
        problem.num_waiting -= 1
        if not problem.num_waiting and not self._is_done(problem):
            self._advance(problem)

    def _advance(self, problem: _ProblemState) -> None:
        """Go through the rounds that the store holds, up to one that has to be asked or to the last."""
        while True:
            start, problem.end = problem.end, self._rule.next_end(problem.end)
            queries = problem.queries[start : problem.end]
            stored = replies.split(self._store.get([query.key for query in queries]))
            problem.answers |= stored
            self._progress.stored(len(stored))
            missing = [query for query in queries if query.key not in stored]
            if missing:
                problem.num_waiting = len(missing)
                self._begun[queries[0].problem_id] = problem
                self._ready.append(missing)
                return
            if self._is_done(problem):
                return

    def _is_done(self, problem: _ProblemState) -> bool:
        contents = sample_selection.contents(problem.queries[: problem.end], problem.answers)
        if adaptive.stop(contents, self._rule, self._rule.gold(problem.queries[0].problem_id)) is None:
            return False
        self._begun.pop(problem.queries[0].problem_id, None)
        self._progress.dropped(len(problem.queries) - problem.end)
        return True
