"""Jobs: problems for one model with one prompt. What the store lacks is asked, what it holds becomes traces."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import polars as pl

from stages.core.sampling import adaptive, queries, sample_selection
from stages.core.sampling.prompts import Example
from stages.core.sampling.queries import Answer, Query, Request
from stages.edge import params, store
from stages.edge.asking import backlog, preview, replies
from stages.edge.asking.budget import Budget
from stages.edge.asking.progress import Log, Progress
from stages.edge.asking.sampler import Sampler
from stages.edge.engines import endpoints
from stages.edge.engines.endpoints import Served
from stages.edge.errors import InputError, ServerError

PROBLEMS_AT_ONCE = 2_000
"""Problems whose answers are in memory together when the traces are written."""
LONG_RUN = 20_000
"""Queries from which a run is looked at before it goes on."""
PREVIEW_ROWS = 8
MOST_TOPICS = 5
"""Topics that a warning names."""


class Job(NamedTuple):
    """Problems for one model with one prompt, under `name` in the traces and in the part `part` of the store."""

    name: str
    part: str
    problems: pl.DataFrame
    request: Request
    rule: adaptive.Rule | None = None
    again: "Job | None" = None
    """The same with a larger budget, for what is cut off."""
    stopped: str = "fixed"
    """Why no more samples were drawn, where the rule does not say."""
    num_asked: int | None = None
    """Number of queries of which only a share may fail; None: its own."""

    @property
    def effort(self) -> str | None:
        """Its effort in the traces."""
        return self.request.effort

    @property
    def label(self) -> str:
        """What a progress line calls it."""
        return self.name + (f", effort {self.effort}" if self.effort else "")

    @property
    def place(self) -> tuple[str, str, str]:
        """Sort key of its traces: two jobs have different names, efforts, or benchmarks."""
        benchmark = self.problems["benchmark"].min() if "benchmark" in self.problems.columns else None
        return self.name, self.effort or "", str(benchmark or "")

    @property
    def num_queries(self) -> int:
        """Queries of all problems together."""
        return self.problems.height * self.request.num_samples

    def queries(self) -> Iterator[list[Query]]:
        """All queries that each problem may get."""
        return self.request.queries(self.problems)

    def some_queries(self, start: int) -> list[list[Query]]:
        """Those of `PROBLEMS_AT_ONCE` problems from row `start` on."""
        return list(self.request.queries(self.problems.slice(start, PROBLEMS_AT_ONCE)))

    def first_samples(self, most: int) -> list[Query]:
        """The first sample of up to `most` problems from all over the table."""
        some = self.problems.gather_every(max(1, self.problems.height // most)).head(most)
        return [samples[0] for samples in self.request.queries(some)]


def made(
    name: str,
    effort: str | None,
    part: str,
    served: Served,
    problems: pl.DataFrame,
    prompt: params.TeacherPrompt | params.Prompt,
    sampling: params.Sampling,
    num_samples: int,
) -> Job:
    """A job of problems (or benchmarks) for `served` with a prompt, under `name` and `effort` in the traces.

    Every request to a model is made here. `part` is a part of the store. `sampling` is used instead of the prompt's
    own, and the `extra_body` of `served` overrides it.
    """
    teach = prompt if isinstance(prompt, params.TeacherPrompt) else None
    effort_field = {"reasoning_effort": teach.reasoning_effort if teach else None}
    examples = [Example(shot.topic, shot.prompt, shot.response) for shot in teach.examples] if teach else []
    fields = {**sampling.model_dump(), **effort_field, **served.extra_body}
    request = Request(served.name, served.identity, fields, effort, num_samples, prompt.system, prompt.suffix, examples)
    if lacking := without_example(problems, examples):
        _warn(f"{name}, effort {effort}: {lacking}")
    by = ["benchmark", "problem_id"] if "benchmark" in problems.columns else ["problem_id"]
    return Job(name, part, problems.sort(by), request)


def without_example(problems: pl.DataFrame, examples: Sequence[Example | params.Shot]) -> str | None:
    """Which problems the model is asked without an example though there are some; None where none is.

    An example with a topic is for problems of that topic alone, so one that matches nothing is silently left out.
    """
    topics = {example.topic for example in examples}
    if not examples or None in topics or "topic" not in problems.columns:
        return None
    left = problems.filter(~pl.col("topic").is_in(list(topics)).fill_null(value=False))
    if left.is_empty():
        return None
    counts = left.group_by("topic").len().sort("len", "topic", descending=[True, False], nulls_last=True)
    listed = [f"{number:,} of topic {topic or 'null'}" for topic, number in counts.head(MOST_TOPICS).iter_rows()]
    more = f" and {counts.height - MOST_TOPICS} other topics" if counts.height > MOST_TOPICS else ""
    return (
        f"{left.height:,} of {problems.height:,} problems match no example and are asked without one "
        f"({', '.join(listed)}{more}; the examples are for {', '.join(sorted(map(str, topics)))}): set the `topic` of "
        "an example to null, and all problems get it"
    )


@cache
def _warn(text: str) -> None:
    """Print a warning, once a process: the same problems may be asked by several jobs."""
    print(f"warning: {text}", file=sys.stderr)


Failures = dict[str, Answer]
"""Queries that failed, with the reason, by their keys."""


def ask(
    served: Served,
    jobs: Iterable[Job],
    runtime: params.Runtime,
    log: Log,
    failures: Failures,
    budget: Budget | None = None,
) -> None:
    """Ask what the store lacks of the jobs of one model. No engine is started if everything is stored.

    A job is taken when the one before is done, so it may depend on the answers to that. `failures` grows by the
    queries that failed, and `budget` by all answers; None: these jobs have the whole budget of `runtime`.

    Raises:
        ServerError: servers refuse us, are gone or fail too often. What was answered is stored.
        BudgetError: all is spent that may be; what was answered is stored.
    """
    budget = budget or Budget(runtime.budget)
    with endpoints.Lazy(served, runtime) as serving:
        for job in jobs:
            if not job.num_queries:
                continue
            with store.opened(served.collection, job.part) as answers:
                if job.num_queries >= LONG_RUN:
                    _preview_first(job, answers, serving, runtime)
                _count_stored(job, answers, budget)
                progress = Progress(job.label, job.num_queries, log)
                if job.rule:
                    missing: backlog.Backlog = backlog.Adaptive(job.queries(), answers, progress, job.rule)
                else:
                    missing = backlog.Fixed(_without(job.queries(), failures), answers, progress)
                failures |= _ask_missing(job, missing, answers, serving, runtime, progress, budget)
                if job.again:
                    cut_off = [samples for samples in _longer(job, job.again, answers) if samples]
                    progress = Progress(f"{job.label}, cut off", sum(map(len, cut_off)), log)
                    missing = backlog.Fixed(cut_off, answers, progress)
                    failures |= _ask_missing(job.again, missing, answers, serving, runtime, progress, budget)


def _without(problem_queries: Iterator[list[Query]], failures: Failures) -> Iterator[list[Query]]:
    """Jobs may share queries: what failed for one is not tried again for another in the same run."""
    for samples in problem_queries:
        if remaining := [query for query in samples if query.key not in failures] if failures else samples:
            yield remaining


def _count_stored(job: Job, answers: store.Store, budget: Budget) -> None:
    """Count what earlier runs paid for."""
    if not budget.is_limited:
        return
    for start in range(0, job.problems.height, PROBLEMS_AT_ONCE):
        some = [*job.some_queries(start), *(job.again.some_queries(start) if job.again else [])]
        budget.count(answers.get([query.key for samples in some for query in samples]))


def _preview_first(job: Job, answers: store.Store, serving: endpoints.Lazy, runtime: params.Runtime) -> None:
    """Show what a long run will ask and get, unless it was begun before. These answers are stored like any other."""
    samples = job.first_samples(PREVIEW_ROWS)
    if not any(answers.known([query.key for query in samples])):
        servers = serving.start()
        seconds = runtime.request_seconds
        shown = preview.show(job.request, samples, servers.endpoints, job.num_queries, seconds, tries_seeds=False)
        answers.put(shown)


def _ask_missing(
    job: Job,
    source: backlog.Backlog,
    answers: store.Store,
    serving: endpoints.Lazy,
    runtime: params.Runtime,
    progress: Progress,
    budget: Budget,
) -> Failures:
    queries = backlog.Peeked(source, runtime.samples_per_request)
    failed: Failures = {}
    if queries:
        budget.check()
        progress.start()
        servers = serving.start()
        sampler = Sampler(servers.endpoints, job.request, answers, runtime, progress, servers.revive, budget)
        failed = sampler.ask(queries)
    progress.show()
    num_asked = job.num_asked or job.num_queries
    if len(failed) > runtime.max_failed_share * num_asked:
        raise ServerError(
            f"{len(failed)} of {num_asked} queries failed (such as: {next(iter(failed.values())).reason}); the "
            "others are stored: run again"
        )
    return failed


def _longer(job: Job, again: Job, answers: store.Store) -> Iterator[list[Query]]:
    for start in range(0, job.problems.height, PROBLEMS_AT_ONCE):
        first = job.some_queries(start)
        stored = replies.split(answers.get([query.key for samples in first for query in samples]))
        yield from sample_selection.longer(first, again.some_queries(start), stored, job.rule)


def show(served: Served, jobs: Sequence[Job], runtime: params.Runtime, num_rows: int) -> None:
    """Ask one sample of `num_rows` problems of each job and print the answers; nothing is stored."""
    with endpoints.Lazy(served, runtime) as serving:
        for job in jobs:
            if not job.num_queries:
                continue
            servers = serving.start()
            preview.show(
                job.request, job.first_samples(num_rows), servers.endpoints, job.num_queries, runtime.request_seconds
            )


def traces(
    served: Served, job: Job, failures: Failures, counts: dict[str, float], servers: Counter[str] | None = None
) -> Iterator[pl.DataFrame]:
    """The traces of a job in the order of their key, a few thousand problems at a time.

    `counts` grows with them, and `servers` by the answers of each server (`store.UNKNOWN`: stored without one).
    """
    if not job.num_queries:
        return
    with store.reading(served.collection) as answers:
        for start in range(0, job.problems.height, PROBLEMS_AT_ONCE):
            first = job.some_queries(start)
            second = job.again.some_queries(start) if job.again else None
            all_queries = [query for samples in [*first, *(second or [])] for query in samples]
            stored = replies.split(answers.get([query.key for query in all_queries]))
            drawn = sample_selection.drawn(first, second, stored, job.rule)
            if lost := sum(query.key not in stored and query.key not in failures for query in drawn.queries):
                raise InputError(
                    f"{lost} answers to {job.label} are no longer in {store.root()}; run again to have them asked anew"
                )
            stopped = drawn.stopped if job.rule else [job.stopped] * len(drawn.queries)
            table = queries.traces(drawn.queries, failures | stored, job.name, job.effort, stopped)
            if servers is not None:
                answered = (stored[query.key] for query in drawn.queries if query.key in stored)
                servers.update(answer.server or store.UNKNOWN for answer in answered)
            figures = sample_selection.counts(table)
            if job.rule:
                figures |= sample_selection.saved(table, drawn.doubts, job.request.num_samples)
            for name, value in figures.items():
                counts[name] = counts.get(name, 0) + value
            yield table
