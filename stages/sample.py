"""Ask a model n times per problem -> traces. One verb for the teacher, the students' exams and the baselines.

python -m stages.sample teach --effort medium --problems data/problems.parquet --base models/base \
    --output data/traces/medium
python -m stages.sample exam --student turbo --benchmarks data/benchmarks.parquet --model models/turbo \
    --output data/exams/turbo
python -m stages.sample baselines --benchmarks data/benchmarks.parquet --base models/base --output data/exams/baselines
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.core import queries
from stages.edge import cli, endpoints, params, store, tables, track
from stages.edge.endpoints import Served
from stages.edge.errors import ServerError
from stages.edge.progress import Progress
from stages.edge.sampler import Request, Sampler


class Job(NamedTuple):
    """Queries that share a model and its sampling fields; `name` and `effort` are their columns in the traces."""

    name: str
    effort: str | None
    request: Request
    asked: list[queries.Query]


def teach(args: argparse.Namespace) -> None:
    """The teacher's answers to every problem at one effort."""
    model = params.load(params.Model, "teach.model")
    effort = params.load(params.Teach, f"teach.{args.effort}")
    problems = tables.read(args.problems, queries.PROBLEMS_IN)
    served = endpoints.from_settings("teacher", model, args.base)
    job = _job("teacher", args.effort, served, problems, effort, effort.sampling, effort.num_samples)
    settings = {"model": model.model_dump(), **effort.model_dump()}
    _sample(f"teach@{args.effort}", settings, [(served, [job])], args.output)


def exam(args: argparse.Namespace) -> None:
    """A student's answers to every benchmark, asked without examples."""
    protocol = params.load(params.Protocol, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    override = params.load(params.Override, f"exam.overrides.{args.student}")
    changed = {key: value for key, value in override if value is not None}
    sampling = protocol.sampling.model_copy(update=changed)
    exams = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    served = endpoints.from_folder(args.student, args.model, protocol.dtype, None, protocol.reasoning_parser)
    job = _job(args.student, None, served, exams, prompt, sampling, protocol.num_samples)
    _sample(
        f"exam@{args.student}", protocol.model_dump() | prompt.model_dump() | changed, [(served, [job])], args.output
    )


def baselines(args: argparse.Namespace) -> None:
    """The same exam for the models that params.yaml lists; at an effort, they are asked with the teacher's prompt."""
    protocol = params.load(params.Protocol, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    listed = params.load(list[params.Baseline], "baselines")
    exams = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    work = []
    for baseline in listed:
        served = endpoints.from_settings(baseline.name, baseline.model, args.base)
        prompts: list[tuple[str | None, params.Teach | params.Prompt]] = [
            (effort, params.load(params.Teach, f"teach.{effort}")) for effort in baseline.efforts
        ]
        jobs = [
            _job(baseline.name, effort, served, exams, each, protocol.sampling, protocol.num_samples)
            for effort, each in prompts or [(None, prompt)]
        ]
        work.append((served, jobs))
    settings = {
        "protocol": protocol.model_dump(),
        "prompt": prompt.model_dump(),
        "baselines": [each.name for each in listed],
    }
    _sample("baselines", settings, work, args.output)


def _job(
    name: str,
    effort: str | None,
    served: Served,
    problems: pl.DataFrame,
    prompt: params.Teach | params.Prompt,
    sampling: params.Sampling,
    num_samples: int,
) -> Job:
    reasoning_effort = prompt.reasoning_effort if isinstance(prompt, params.Teach) else None
    shots = prompt.examples if isinstance(prompt, params.Teach) else []
    fields = {**sampling.model_dump(), "reasoning_effort": reasoning_effort}
    asked = queries.queries(
        problems.sort("benchmark", "problem_id") if "benchmark" in problems.columns else problems.sort("problem_id"),
        identity=served.identity,
        sampling=fields,
        effort=effort,
        num_samples=num_samples,
        system=prompt.system,
        suffix=prompt.suffix,
        examples=[queries.Example(shot.topic, shot.prompt, shot.response) for shot in shots],
    )
    return Job(name, effort, Request(served.name, sampling.model_dump(), reasoning_effort), list(asked))


def _sample(stage: str, settings: Mapping[str, object], work: Sequence[tuple[Served, list[Job]]], output: Path) -> None:
    """Ask what the store does not hold yet and write the traces of all jobs."""
    runtime = params.load(params.Runtime, "runtime")
    with track.stage(stage, settings) as run:
        parts = [pl.DataFrame(schema=queries.TRACES)]
        for served, jobs in work:
            with store.opened(served.name.replace("/", "_")) as answers:
                _ask(served, jobs, answers, runtime, run)
                for job in jobs:
                    stored = answers.get(query.key for query in job.asked)
                    parts.append(queries.traces(job.asked, stored, job.name, job.effort))
        found = pl.concat(parts)
        tables.write(found, output, queries.TRACES, queries.TRACES_KEY)
        counts = found["status"].value_counts().iter_rows()
        run.metrics({"num_traces": found.height, **{f"num_{status}": count for status, count in counts}})


def _ask(served: Served, jobs: list[Job], answers: store.Store, runtime: params.Runtime, run: track.Run) -> None:
    known = answers.known(query.key for job in jobs for query in job.asked)
    missing = [[query for query in job.asked if query.key not in known] for job in jobs]
    if not any(missing):
        for job in jobs:
            _progress(job, [], run)
        return
    with endpoints.serving(served, runtime) as urls:
        for job, asked in zip(jobs, missing, strict=True):
            progress = _progress(job, asked, run)
            failed = Sampler(urls, job.request, answers, runtime, progress).ask(asked)
            progress.show()
            if failed > runtime.max_failed_share * len(job.asked):
                raise ServerError(f"{failed} of {len(job.asked)} queries failed; the others are stored: run again")


def _progress(job: Job, asked: Sequence[queries.Query], run: track.Run) -> Progress:
    label = job.name + (f", effort {job.effort}" if job.effort else "")
    return Progress(label, len(job.asked), len(job.asked) - len(asked), run.metrics)


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
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    cli.run(main)
