"""Exams whose samples are drawn until the interval of each benchmark is as narrow as asked.

Between the rounds an answer is right where it has the key of the gold or is the same number: what only algebra or a
language model would find equal counts as wrong here, though not in the table of results. A round looks at the samples
below its end by their index, so a store gives one decision, and a killed exam goes on.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from stages.core.estimation import precision
from stages.core.estimation.precision import Target
from stages.core.sampling import grading
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.jobs import Failures, Job
from stages.edge.asking.stage import Ask, ask_all
from stages.edge.engines.endpoints import Served
from stages.edge.files import tables


def asker(until: params.Until | None, benchmarks: Path) -> Ask:
    """What asks an exam: until its intervals are narrow, by the golds in the table `benchmarks`, or as it stands."""
    if until is None:
        return ask_all
    golds = tables.read(benchmarks, grading.GOLDS_IN)
    return partial(ask, golds=golds, target=Target(until.ci_width, until.max_samples))


def ask(
    served: Served,
    asked: Sequence[Job],
    runtime: params.Runtime,
    log: Callable[[Mapping[str, float]], None],
    failures: Failures,
    *,
    golds: pl.DataFrame,
    target: Target,
) -> list[Job]:
    """Ask the jobs of one model, whose own number of samples is the first round's: jobs for what was drawn in all.

    `failures` grows by what could not be asked. `golds` has the columns of `grading.GOLDS_IN`.

    Raises:
        ServerError: as `jobs.ask`.
    """
    exams = [_Exam(served, job, golds, target, failures) for job in asked]
    jobs.ask(served, chain.from_iterable(each.rounds() for each in exams), runtime, log, failures)
    return [job for exam in exams for job in exam.drawn]


@dataclass
class _Exam:
    served: Served
    job: Job
    golds: pl.DataFrame
    target: Target
    failures: Failures
    drawn: list[Job] = field(default_factory=list)

    def rounds(self) -> Iterator[Job]:
        """What is to be asked next, as long as anything is; the one before must be asked by then."""
        yield self.job
        num_asked = self.job.num_queries
        for benchmark in self.job.problems["benchmark"].unique().sort():
            own = self.job.problems.filter(pl.col("benchmark") == benchmark)
            job = self.job._replace(problems=own)
            while (seen := self._look(job)).why is None:
                self._tell(job, benchmark, seen)
                num_asked += job.problems.height * (seen.next_end - job.request.num_samples)
                job = job._replace(request=job.request._replace(num_samples=seen.next_end))
                yield job._replace(num_asked=num_asked)
            self._tell(job, benchmark, seen)
            self.drawn.append(job._replace(stopped=seen.why))

    def _look(self, job: Job) -> precision.Look:
        traces = pl.concat(
            part.select(grading.TRACES_IN.names()) for part in jobs.traces(self.served, job, self.failures, {})
        )
        right, graded = grading.counts(traces, self.golds)
        return precision.look(right, graded, job.request.num_samples, self.target)

    def _tell(self, job: Job, benchmark: str, seen: precision.Look) -> None:
        drawn = f"{job.label}, {benchmark}: {job.request.num_samples} samples of {job.problems.height} problems"
        told = f"{drawn}, of which none was scored"
        if seen.width is not None and seen.limit is not None:
            limit = f"{100 * seen.limit:.1f}"
            then = {
                None: f"going on to {seen.next_end} samples",
                "settled": "as narrow as asked",
                "exhausted": "no more samples are allowed",
                "hopeless": f"more samples would leave it at about {limit}: only more problems narrow it",
            }[seen.why]
            asked = f"{100 * self.target.ci_width:.1f} asked"
            told = f"{drawn}, interval {100 * seen.width:.1f} points wide, {asked}: {then}"
        print(told, file=sys.stderr, flush=True)
