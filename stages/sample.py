"""Ask a model n times per problem -> traces. One verb for the teacher, the students' exams and the baselines.

python -m stages.sample teach --effort medium --problems data/problems.parquet --base models/base \
    --output data/traces/medium
python -m stages.sample exam --student turbo --benchmarks data/benchmarks.parquet --model models/turbo \
    --output data/exams/turbo
python -m stages.sample baselines --benchmarks data/benchmarks.parquet --base models/base --output data/exams/baselines

With `--preview 20` a verb asks one sample of 20 problems, shows prompts, answers and the projected time, and ends.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from stages.core.estimation import precision
from stages.core.labelling import judging
from stages.core.sampling import adaptive, queries
from stages.core.tables.traces import TRACES, TRACES_KEY
from stages.edge import params, track
from stages.edge.asking import exams, jobs
from stages.edge.asking.jobs import Job
from stages.edge.cli import running
from stages.edge.engines import endpoints
from stages.edge.engines.endpoints import Served
from stages.edge.errors import SettingError
from stages.edge.files import tables
from stages.edge.models import weights

Work = list[tuple[Served, list[Job]]]


def teach(args: argparse.Namespace) -> None:
    """The teachers' answers to every problem at one effort."""
    models = params.load(list[params.TeacherModel], "teach.models")
    effort = params.load(params.Teach, f"teach.{args.effort}")
    problems = tables.read(args.problems, queries.PROBLEMS_IN)
    rule = None
    if effort.adaptive and effort.num_samples:
        rule = adaptive.Rule(most=effort.num_samples, **effort.adaptive.model_dump())
    larger = {"max_tokens": effort.max_tokens_when_cut_off} if effort.max_tokens_when_cut_off else None
    work = []
    for model in models:
        served = endpoints.from_settings("teacher", model.label, model, args.base)
        job, again = (
            jobs.made(model.label, args.effort, args.effort, served, problems, effort, sampling, effort.num_samples)
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
    questions = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    positions = weights.positions(args.model)
    if positions is not None and sampling.max_tokens >= positions:
        raise SettingError(
            f"params.yaml: exam: {args.student} may write {sampling.max_tokens} tokens, but its weights are for "
            f"{positions} positions: lower exam.overrides.{args.student}.max_tokens, or set max_positions in train"
        )
    served = endpoints.from_folder("student", args.student, args.model, protocol.dtype, None, protocol.reasoning_parser)
    job = jobs.made(args.student, None, "exam", served, questions, prompt, sampling, protocol.num_samples)
    settings = protocol.model_dump() | prompt.model_dump() | changed
    _sample(f"exam@{args.student}", settings, [(served, [job])], args, _narrowing(protocol, args.benchmarks))


def baselines(args: argparse.Namespace) -> None:
    """The same exam for the models that params.yaml lists; at an effort, they are asked with the teacher's prompt."""
    protocol = params.load(params.Protocol, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    wanted = params.load(list[str], "examine")
    every = params.load(list[params.Baseline], "baselines")
    if unknown := set(wanted) - {"all", *(each.name for each in every)}:
        raise SettingError(f"params.yaml: examine names {min(unknown)!r}, which is none of `baselines`")
    listed = [each for each in every if "all" in wanted or each.name in wanted]
    questions = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    work = []
    for baseline in listed:
        served = endpoints.from_settings("baseline", baseline.name, baseline.model, args.base)
        prompts: list[tuple[str | None, params.Teach | params.Prompt]] = [
            (effort, params.load(params.Teach, f"teach.{effort}")) for effort in baseline.efforts
        ]
        asked = [
            jobs.made(
                baseline.name, effort, f"exam-{effort or 'plain'}", served, questions, each,
                protocol.sampling, protocol.num_samples,
            )
            for effort, each in prompts or [(None, prompt)]
        ]  # fmt: skip
        work.append((served, asked))
    settings = {
        "protocol": protocol.model_dump(),
        "prompt": prompt.model_dump(),
        "baselines": [each.name for each in listed],
    }
    _sample("baselines", settings, work, args, _narrowing(protocol, args.benchmarks))


def _narrowing(protocol: params.Protocol, benchmarks: Path) -> exams.Narrowing | None:
    """How narrow an exam's intervals are to be; None: as they come."""
    limits = params.load(params.Symbolic, "symbolic")
    if not protocol.until:
        return None
    target = precision.Target(protocol.until.ci_width, protocol.until.max_samples)
    return exams.Narrowing(target, tables.read(benchmarks, judging.BENCHMARKS_IN), limits)


def _sample(
    stage: str,
    settings: Mapping[str, object],
    work: Work,
    args: argparse.Namespace,
    narrowing: exams.Narrowing | None = None,
) -> None:
    """Ask what the store does not hold yet and write the traces of all jobs."""
    runtime = params.load(params.Runtime, "runtime")
    if args.preview is not None:
        for served, asked in work:
            jobs.show(served, asked, runtime, args.preview)
        return
    with track.stage(stage, settings) as run:
        failures: jobs.Failures = {}
        drawn = []
        for served, asked in work:
            if narrowing:
                asked = exams.ask(served, asked, narrowing, runtime, run.metrics, failures)
            else:
                jobs.ask(served, asked, runtime, run.metrics, failures)
            drawn.append((served, asked))
        counts: dict[str, float] = {}
        tables.write_sorted(_traces(drawn, failures, counts), args.output, TRACES, TRACES_KEY)
        run.metrics(counts)


def _traces(work: Work, failures: jobs.Failures, counts: dict[str, float]) -> Iterator[pl.DataFrame]:
    yield pl.DataFrame(schema=TRACES)
    each = [(served, job) for served, asked in work for job in asked]
    for served, job in sorted(each, key=lambda pair: pair[1].place):
        yield from jobs.traces(served, job, failures, counts)


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
        command.add_argument("--preview", type=running.count, metavar="ROWS", help="only show ROWS prompts and answers")
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    running.run(main)
