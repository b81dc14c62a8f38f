"""Ask a model n times per problem -> traces. One verb for the teacher, the students' exams and the baselines.

python -m stages.sample teach --effort medium --problems data/problems.parquet --base models/base \
    --output data/traces/medium
python -m stages.sample exam --student turbo --benchmarks data/benchmarks.parquet --model models/turbo \
    --output data/exams/turbo
python -m stages.sample baselines --benchmarks data/benchmarks.parquet --base models/base --output data/exams/baselines

With `--preview 20` a verb asks one sample of 20 problems, shows prompts, answers and the projected time, and ends.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core import adaptive, drawing, queries
from stages.core.queries import Answer, Query
from stages.edge import backlog, cli, endpoints, params, preview, store, tables, track
from stages.edge.endpoints import Served
from stages.edge.errors import ServerError
from stages.edge.progress import Progress
from stages.edge.requests import Request
from stages.edge.sampler import Sampler

PROBLEMS_AT_ONCE = 2_000
"""Problems whose answers are in memory together when the traces are written."""


class Job(NamedTuple):
    """Problems that are asked in one way of one model; `name` and `effort` are their columns in the traces."""

    name: str
    effort: str | None
    part: str
    problems: pl.DataFrame
    asking: queries.Asking
    request: Request
    rule: adaptive.Rule | None
    again: "Job | None"
    """The same with a larger budget, for what is cut off."""

    @property
    def num_queries(self) -> int:
        """Queries of all problems together."""
        return self.problems.height * self.asking.num_samples

    def queries(self) -> Iterator[list[Query]]:
        """All queries that each problem may get."""
        return queries.queries(self.problems, self.asking)

    def some_queries(self, start: int) -> list[list[Query]]:
        """Those of `PROBLEMS_AT_ONCE` problems."""
        return list(queries.queries(self.problems.slice(start, PROBLEMS_AT_ONCE), self.asking))


Work = list[tuple[Served, list[Job]]]
Failures = dict[str, Answer]


def teach(args: argparse.Namespace) -> None:
    """The teachers' answers to every problem at one effort."""
    models = params.load(list[params.TeacherModel], "teach.models")
    effort = params.load(params.Teach, f"teach.{args.effort}")
    problems = tables.read(args.problems, queries.PROBLEMS_IN)
    rule = None
    if effort.adaptive:
        rule = adaptive.Rule(most=effort.num_samples, **effort.adaptive.model_dump())
    larger = {"max_tokens": effort.max_tokens_when_cut_off} if effort.max_tokens_when_cut_off else None
    work = []
    for model in models:
        served = endpoints.from_settings("teacher", model.label, model, args.base)
        job, again = (
            _job(model.label, args.effort, args.effort, served, problems, effort, sampling, effort.num_samples)
            for sampling in (effort.sampling, effort.sampling.model_copy(update=larger))
        )
        work.append((served, [job._replace(rule=rule, again=again if larger else None)]))
    settings = {"models": [model.model_dump() for model in models], **effort.model_dump()}
    _sample(f"teach@{args.effort}", settings, work, args)


def exam(args: argparse.Namespace) -> None:
    """A student's answers to every benchmark, asked without examples."""
    protocol = params.load(params.Protocol, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    override = params.load(params.Override, f"exam.overrides.{args.student}")
    changed = {key: value for key, value in override if value is not None}
    sampling = protocol.sampling.model_copy(update=changed)
    exams = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    served = endpoints.from_folder("student", args.student, args.model, protocol.dtype, None, protocol.reasoning_parser)
    job = _job(args.student, None, "exam", served, exams, prompt, sampling, protocol.num_samples)
    settings = protocol.model_dump() | prompt.model_dump() | changed
    _sample(f"exam@{args.student}", settings, [(served, [job])], args)


def baselines(args: argparse.Namespace) -> None:
    """The same exam for the models that params.yaml lists; at an effort, they are asked with the teacher's prompt."""
    protocol = params.load(params.Protocol, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    listed = params.load(list[params.Baseline], "baselines")
    exams = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    work = []
    for baseline in listed:
        served = endpoints.from_settings("baseline", baseline.name, baseline.model, args.base)
        prompts: list[tuple[str | None, params.Teach | params.Prompt]] = [
            (effort, params.load(params.Teach, f"teach.{effort}")) for effort in baseline.efforts
        ]
        jobs = [
            _job(
                baseline.name, effort, f"exam-{effort or 'plain'}", served, exams, each,
                protocol.sampling, protocol.num_samples,
            )
            for effort, each in prompts or [(None, prompt)]
        ]  # fmt: skip
        work.append((served, jobs))
    settings = {
        "protocol": protocol.model_dump(),
        "prompt": prompt.model_dump(),
        "baselines": [each.name for each in listed],
    }
    _sample("baselines", settings, work, args)


def _job(
    name: str,
    effort: str | None,
    part: str,
    served: Served,
    problems: pl.DataFrame,
    prompt: params.Teach | params.Prompt,
    sampling: params.Sampling,
    num_samples: int,
) -> Job:
    teach = prompt if isinstance(prompt, params.Teach) else None
    reasoning_effort = teach.reasoning_effort if teach else None
    asking = queries.Asking(
        identity=served.identity,
        sampling={**sampling.model_dump(), "reasoning_effort": reasoning_effort, **served.extra_body},
        effort=effort,
        num_samples=num_samples,
        system=prompt.system,
        suffix=prompt.suffix,
        examples=[queries.Example(shot.topic, shot.prompt, shot.response) for shot in teach.examples] if teach else [],
    )
    by = ["benchmark", "problem_id"] if "benchmark" in problems.columns else ["problem_id"]
    request = Request(served.name, sampling.model_dump(), reasoning_effort, served.extra_body)
    return Job(name, effort, part, problems.sort(by), asking, request, None, None)


def _sample(stage: str, settings: Mapping[str, object], work: Work, args: argparse.Namespace) -> None:
    """Ask what the store does not hold yet and write the traces of all jobs."""
    runtime = params.load(params.Runtime, "runtime")
    if args.preview:
        _preview(work, runtime, args.preview)
        return
    with track.stage(stage, settings) as run:
        failures: Failures = {}
        for served, jobs in work:
            failures |= _ask(served, jobs, runtime, run)
        counts: Counter[str] = Counter()
        traces = _counted(_traces(work, failures), counts)
        tables.write_sorted(traces, args.output, queries.TRACES, queries.TRACES_KEY)
        run.metrics(counts)


def _ask(served: Served, jobs: list[Job], runtime: params.Runtime, run: track.Run) -> Failures:
    """Ask the jobs of one model. No engine is started for one of which everything is stored."""
    failures: Failures = {}
    with endpoints.Lazy(served, runtime) as serving:
        for job in jobs:
            with store.opened(served.collection, job.part) as answers:
                progress = Progress(_label(job), job.num_queries, run.metrics)
                missing = _backlog(job, answers, progress)
                failures |= _ask_missing(job, missing, answers, serving, runtime, progress)
                if job.again:
                    cut_off = [asked for asked in _cut_off(job, job.again, answers) if asked]
                    progress = Progress(f"{_label(job)}, cut off", sum(map(len, cut_off)), run.metrics)
                    longer = backlog.Fixed(cut_off, answers, progress)
                    failures |= _ask_missing(job.again, longer, answers, serving, runtime, progress)
    return failures


def _label(job: Job) -> str:
    return job.name + (f", effort {job.effort}" if job.effort else "")


def _ask_missing(
    job: Job,
    source: backlog.Backlog,
    answers: store.Store,
    serving: endpoints.Lazy,
    runtime: params.Runtime,
    progress: Progress,
) -> Failures:
    missing = backlog.Peeked(source, runtime.samples_per_request)
    failed: Failures = {}
    if missing:
        progress.start()
        there = serving.start()
        if job.num_queries >= preview.LONG_RUN:
            preview.show(job.request, next(job.queries())[:1], there.endpoints, job.num_queries)
        failed = Sampler(there.endpoints, job.request, answers, runtime, progress, there.revive).ask(missing)
    progress.show()
    if len(failed) > runtime.max_failed_share * job.num_queries:
        raise ServerError(
            f"{len(failed)} of {job.num_queries} queries failed (such as: {next(iter(failed.values())).reason}); the "
            "others are stored: run again"
        )
    return failed


def _cut_off(job: Job, again: Job, answers: store.Store) -> Iterator[list[Query]]:
    """The queries with the larger budget for those whose answers were cut off."""
    for start in range(0, job.problems.height, PROBLEMS_AT_ONCE):
        first, second = job.some_queries(start), again.some_queries(start)
        stored = answers.get([query.key for asked in first for query in asked])
        for asked, longer in zip(first, second, strict=True):
            yield [b for a, b in zip(asked, longer, strict=True) if drawing.is_cut_off(a, stored)]


def _backlog(job: Job, answers: store.Store, progress: Progress) -> backlog.Backlog:
    if job.rule:
        return backlog.Adaptive(job.queries(), answers, progress, job.rule)
    return backlog.Fixed(job.queries(), answers, progress)


def _preview(work: Work, runtime: params.Runtime, num_rows: int) -> None:
    for served, jobs in work:
        with endpoints.Lazy(served, runtime) as serving:
            for job in jobs:
                step = max(1, job.problems.height // num_rows)
                some = queries.queries(job.problems.gather_every(step).head(num_rows), job.asking)
                there = serving.start()
                preview.show(job.request, [each[0] for each in some], there.endpoints, job.num_queries)


def _traces(work: Work, failures: Failures) -> Iterator[pl.DataFrame]:
    """The traces of all jobs in the order of their key, a few thousand problems at a time."""
    yield pl.DataFrame(schema=queries.TRACES)
    jobs = [(served, job) for served, jobs in work for job in jobs]
    for served, job in sorted(jobs, key=lambda pair: (pair[1].name, pair[1].effort or "")):
        with store.opened(served.collection, job.part) as answers:
            for start in range(0, job.problems.height, PROBLEMS_AT_ONCE):
                first = job.some_queries(start)
                second = job.again.some_queries(start) if job.again else None
                stored = answers.get([query.key for asked in [*first, *(second or [])] for query in asked])
                asked, stopped = drawing.drawn(first, second, stored, job.rule)
                yield queries.traces(asked, failures | stored, job.name, job.effort, stopped)


def _counted(traces: Iterator[pl.DataFrame], counts: Counter[str]) -> Iterator[pl.DataFrame]:
    """Pass the tables on and count their rows and tokens."""
    for table in traces:
        counts["num_traces"] += table.height
        counts["num_tokens"] += int(table["completion_tokens"].sum())
        for status, number in table["status"].value_counts().iter_rows():
            counts[f"num_{status}"] += number
        problems = table.unique(["model", "problem_id", "benchmark"])
        for why, number in problems["stopped"].value_counts().iter_rows():
            counts[f"num_problems_{why}"] += number
        yield table


def main() -> None:
    """Dispatch to teach, exam or baselines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for verb, options in (
        (teach, ("effort", "problems", "base")),
        (exam, ("student", "benchmarks", "model")),
        (baselines, ("benchmarks", "base")),
    ):
        command = verbs.add_parser(verb.__name__, help=verb.__doc__)
        command.set_defaults(verb=verb)
        for option in (*options, "output"):
            command.add_argument(f"--{option}", type=str if option in ("effort", "student") else Path, required=True)
        command.add_argument("--preview", type=int, metavar="ROWS", help="only show ROWS prompts and answers")
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    cli.run(main)
