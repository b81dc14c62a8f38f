"""Exams whose samples are drawn until the interval of each benchmark is as narrow as asked.

Answers are judged between the rounds, by algebra alone: what only a language model could decide counts as wrong here.
A round looks at the samples below its end by their index, so a store gives one decision, and a killed exam goes on.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import polars as pl

from stages.core.answers import table
from stages.core.estimation import precision
from stages.core.labelling import judging
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.jobs import Failures, Job
from stages.edge.engines.endpoints import Served
from stages.edge.workers import algebra


class Narrowing(NamedTuple):
    """What ends an exam, and what its answers are judged by: `golds` has the columns of `judging.BENCHMARKS_IN`."""

    target: precision.Target
    golds: pl.DataFrame
    limits: params.Symbolic


def ask(
    served: Served,
    asked: Sequence[Job],
    narrowing: Narrowing,
    runtime: params.Runtime,
    log: Callable[[Mapping[str, float]], None],
    failures: Failures,
) -> list[Job]:
    """Ask the jobs of one model, whose own number of samples is the first round's: jobs for what was drawn in all.

    `failures` grows by what could not be asked.

    Raises:
        ServerError: as `jobs.ask`.
    """
    with algebra.symbolic(narrowing.limits, runtime) as pool:
        exams = [_Exam(served, job, narrowing, pool, failures) for job in asked]
        jobs.ask(served, chain.from_iterable(each.rounds() for each in exams), runtime, log, failures)
    return [job for exam in exams for job in exam.drawn]


class _Exam:
    def __init__(
        self,
        served: Served,
        job: Job,
        narrowing: Narrowing,
        pool: algebra.Symbolic,
        failures: Failures,
    ) -> None:
        self._served, self._job, self._target = served, job, narrowing.target
        self._labels = narrowing.golds.rename({"gold": "label"})
        self._pool, self._failures = pool, failures
        self.drawn: list[Job] = []

    def rounds(self) -> Iterator[Job]:
        """What is to be asked next, as long as anything is; the one before must be asked by then."""
        yield self._job
        num_asked = self._job.num_queries
        for benchmark in self._job.problems["benchmark"].unique().sort():
            own = self._job.problems.filter(pl.col("benchmark") == benchmark)
            job = self._job._replace(problems=own)
            while (seen := self._look(job)).why is None:
                self._tell(job, benchmark, seen)
                num_asked += job.problems.height * (seen.next_end - job.asking.num_samples)
                job = job._replace(asking=job.asking._replace(num_samples=seen.next_end))
                yield job._replace(num_asked=num_asked)
            self._tell(job, benchmark, seen)
            self.drawn.append(job._replace(stopped=seen.why))

    def _look(self, job: Job) -> precision.Look:
        traces = (part.select(list(table.TRACES_IN)) for part in jobs.traces(self._served, job, self._failures, {}))
        prepared = judging.prepare(table.read_answers(pl.concat(traces)), self._labels)
        verdicts = judging.verdicts(prepared, self._pool.decide(judging.undecided(prepared), "accepts"))
        return precision.look(*precision.counts(verdicts), job.asking.num_samples, self._target)

    def _tell(self, job: Job, benchmark: str, seen: precision.Look) -> None:
        drawn = f"{job.label}, {benchmark}: {job.asking.num_samples} samples of {job.problems.height} problems"
        told = f"{drawn}, of which none was scored"
        if seen.width is not None and seen.limit is not None:
            limit = f"{100 * seen.limit:.1f}"
            then = {
                None: f"going on to {seen.next_end} samples",
                "settled": "as narrow as asked",
                "exhausted": "no more samples are allowed",
                "hopeless": f"more samples would leave it at about {limit}: only more problems narrow it",
            }[seen.why]
            asked = f"{100 * self._target.ci_width:.1f} asked"
            told = f"{drawn}, interval {100 * seen.width:.1f} points wide, {asked}: {then}"
        print(told, file=sys.stderr, flush=True)
