"""What the stages that ask models have in common: their options, a preview, and their traces."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge import params, track
from stages.edge.asking import jobs
from stages.edge.asking.budget import Budget
from stages.edge.asking.jobs import Failures, Job
from stages.edge.asking.progress import Log
from stages.edge.cli import running
from stages.edge.engines.endpoints import Served
from stages.edge.files import answered_by, tables

ModelJobs = Sequence[tuple[Served, list[Job]]]
Ask = Callable[[Served, list[Job], params.Runtime, Log, Failures, Budget], list[Job]]
"""Asks the jobs of one model; returns jobs for all that was drawn."""


def arguments(description: str | None, *paths: str, item: str | None = None) -> argparse.Namespace:
    """The options of a stage: `item` if it has one, files and folders under `paths`, and those that all have."""
    parser = running.parser(description, *paths, "output")
    if item:
        parser.add_argument(f"--{item}", required=True)
    parser.add_argument("--preview", type=running.count, metavar="ROWS", help="only show ROWS prompts and answers")
    return parser.parse_args()


def ask_all(
    served: Served, todo: list[Job], runtime: params.Runtime, log: Log, failures: Failures, budget: Budget
) -> list[Job]:
    """Ask as many samples as the jobs have."""
    jobs.ask(served, todo, runtime, log, failures, budget)
    return todo


def run(
    name: str, settings: Mapping[str, object], work: ModelJobs, output: Path, preview: int | None, ask: Ask = ask_all
) -> None:
    """Ask what the store does not hold yet and write the traces of all jobs; with `preview`, only show so many rows.

    Raises:
        ServerError, BudgetError: as `jobs.ask`.
    """
    runtime = params.load(params.Runtime, "runtime")
    if preview is not None:
        for served, todo in work:
            jobs.show(served, todo, runtime, preview)
        return
    with track.stage(name, settings) as run:
        failures: Failures = {}
        budget = Budget(runtime.budget)
        drawn = [
            (served, job) for served, todo in work for job in ask(served, todo, runtime, run.metrics, failures, budget)
        ]
        counts: dict[str, float] = {}
        servers: Counter[str] = Counter()
        traces = _traces(drawn, failures, counts, servers)
        beside = partial(answered_by.write, servers=servers)
        tables.write_sorted(traces, output, TRACES, TRACES_KEY, beside=beside)
        run.metrics(counts)
        run.tags({"servers": answered_by.text(servers)})


def _traces(
    drawn: Sequence[tuple[Served, Job]], failures: Failures, counts: dict[str, float], servers: Counter[str]
) -> Iterator[pl.DataFrame]:
    yield pl.DataFrame(schema=TRACES)
    for served, job in sorted(drawn, key=lambda pair: pair[1].place):
        yield from jobs.traces(served, job, failures, counts, servers)
