"""Exams whose samples are drawn until the interval of each benchmark is as narrow as asked.

Between the rounds an answer counts as right if it has the key of the gold or is the same number. What only algebra or
a language model would find equal counts as wrong here, though not in the table of results. A round looks at the samples
below its end by their index, so the same store always gives the same decision, and a killed exam goes on.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from stages.core.sampling import grading, precision
from stages.core.sampling.precision import PrecisionTarget
from stages.edge import params
from stages.edge.asking import jobs
from stages.edge.asking.budget import Budget
from stages.edge.asking.jobs import Failures, Job
from stages.edge.asking.progress import Log
from stages.edge.asking.stage import Ask, ask_all
from stages.edge.engines.endpoints import Served
from stages.edge.files import tables


def ask_function(until: params.Until | None, benchmarks: Path) -> Ask:
    """The function that asks an exam: `ask`, with the golds in the table `benchmarks`, or without `until` `ask_all`."""
    if until is None:
        return ask_all
    golds = tables.read(benchmarks, grading.GOLDS_IN)
    return partial(ask, golds=golds, target=PrecisionTarget(until.ci_width, until.max_samples))


def ask(
    served: Served,
    todo: Sequence[Job],
    runtime: params.Runtime,
    log: Log,
    failures: Failures,
    budget: Budget | None = None,
    *,
    golds: pl.DataFrame,
    target: PrecisionTarget,
) -> list[Job]:
    """Ask the jobs of one model, the first round with their own number of samples. Return jobs for all that was drawn.

    `failures` grows by what could not be asked. `golds` has the columns of `grading.GOLDS_IN`.

    Raises:
        ServerError, BudgetError: as `jobs.ask`.
    """
    exams = [_Exam(served, job, golds, target, failures) for job in todo]
    jobs.ask(served, chain.from_iterable(each.rounds() for each in exams), runtime, log, failures, budget)
    return [job for exam in exams for job in exam.drawn]


@dataclass
class _Exam:
    served: Served
    job: Job
    golds: pl.DataFrame
    target: PrecisionTarget
    failures: Failures
    drawn: list[Job] = field(default_factory=list)

    def rounds(self) -> Iterator[Job]:
        """The jobs of the exam, one a round. Each must be asked before the next is taken."""
        yield self.job
        num_asked = self.job.num_queries
        for benchmark in self.job.problems["benchmark"].unique().sort():
            problems = self.job.problems.filter(pl.col("benchmark") == benchmark)
            job = self.job._replace(problems=problems)
            while (look := self._look(job)).why is None:
                self._print(job, benchmark, look)
                num_asked += job.problems.height * (look.next_end - job.request.num_samples)
                job = job._replace(request=job.request._replace(num_samples=look.next_end))
                yield job._replace(num_asked=num_asked)
            self._print(job, benchmark, look)
            self.drawn.append(job._replace(stopped=look.why))

    def _look(self, job: Job) -> precision.Look:
        traces = pl.concat(
            part.select(grading.TRACES_IN.names()) for part in jobs.traces(self.served, job, self.failures, {})
        )
        right, graded = grading.counts(traces, self.golds)
        return precision.look(right, graded, job.request.num_samples, self.target)

    def _print(self, job: Job, benchmark: str, look: precision.Look) -> None:
        prefix = f"{job.label}, {benchmark}: {job.request.num_samples} samples of {job.problems.height} problems"
        line = f"{prefix}, of which none was scored"
        if look.width is not None and look.limit is not None:
            limit = f"{100 * look.limit:.1f}"
            outcome = {
                None: f"going on to {look.next_end} samples",
                "settled": "as narrow as asked",
                "exhausted": "no more samples are allowed",
                "hopeless": f"more samples would leave it at about {limit}: only more problems narrow it",
            }[look.why]
            target = f"{100 * self.target.ci_width:.1f} asked"
            line = f"{prefix}, interval {100 * look.width:.1f} points wide, {target}: {outcome}"
        print(line, file=sys.stderr, flush=True)
