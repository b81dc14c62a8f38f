"""Verdicts of the exams -> metrics, plots and the table of results, which is printed too.

python -m stages.report results --marks data/marks --exams data/exams --benchmarks data/benchmarks.parquet \
    --scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json --table metrics/results.md \
    --plot metrics/plots/accuracy.csv --budgets metrics/plots/budgets.csv
python -m stages.report trace 0860935e6f990775     # the life of one problem
python -m stages.report compare main my-experiment  # what another revision does better, on the same problems
python -m stages.report release --output released   # the students as Hugging Face models; --push sends them there
"""

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from stages.core import budgets, differences, problems, scoring
from stages.core import results as core
from stages.edge import cli, params, shards, tables, track
from stages.edge.errors import InputError, writing
from stages.edge.publish import release
from stages.edge.results import lineage, result_table, revisions

SHOWN = 5
"""Ids of problems gained or lost that are named."""
SHOWN_CHARS = 60
EXAMS_IN = pl.Schema({name: problems.BENCHMARKS[name] for name in ("benchmark", "published", "younger_than_sources")})


def results(args: argparse.Namespace) -> None:
    """Score every student, and the better effort of every baseline."""
    exam = params.load(params.Exam, "exam")
    settings = params.load(params.Report, "report")
    runtime = params.load(params.Runtime, "runtime")
    method = result_table.method(settings, exam.protocol)
    with track.stage("report", settings.model_dump()) as run:
        marks = tables.read(args.marks, scoring.MARKS_IN)
        work = partial(core.without_texts, max_repeated_share=settings.max_repeated_share)
        traces = pl.concat(shards.mapped(args.exams, scoring.TEXTS_IN, work, runtime.num_workers, runtime.pool))
        try:
            scores = scoring.scores(marks, traces)
            students = core.students(scores, method)
            metrics = {name: core.metrics(table, method) for name, table in students.items()}
            summary = core.summary(scores, students, method)
        except ValueError as error:
            raise InputError(
                f"{args.exams} and {args.marks} cannot be scored: {error}; run `dvc repro`, which makes both anew"
            ) from error
        exams = tables.read(args.benchmarks, EXAMS_IN)
        contents = result_table.contents(metrics, summary, exams, exam, settings)
        table = core.markdown(*contents, summary["difference"])
        tables.write(scores, args.scores, scoring.SCORES, scoring.SCORES_KEY)
        cli.write_metrics(metrics, args.eval)
        cli.write_metrics(summary, args.summary)
        cli.write_csv(core.bars(metrics, method.average), args.plot)
        with writing(args.budgets):
            _budgets(students, marks, traces, exam, method).write_csv(args.budgets)
        with writing(args.table):
            args.table.write_text(table, encoding="utf-8")
        run.metrics(metrics)
        run.metrics(summary)
        for path in (args.eval, args.table, args.plot, args.budgets):
            run.artifact(path)
    print(table)


def _budgets(
    students: Mapping[str, pl.DataFrame],
    marks: pl.DataFrame,
    traces: pl.DataFrame,
    exam: params.Exam,
    method: scoring.Method,
) -> pl.DataFrame:
    found = [pl.DataFrame(schema=budgets.BUDGETS)]
    for name, table in students.items():
        own = (pl.col("model") == name) & pl.col("effort").eq_missing(pl.lit(table["effort"][0], pl.String))
        some = marks.filter(own), traces.filter(own)
        found.append(budgets.at_budgets(*some, exam.max_tokens(name), method.num_resamples, method.seed))
    return pl.concat(found)


def trace(args: argparse.Namespace) -> None:
    """Show the life of a problem: source, copies, samples, votes, label, verdicts, rows or reasons."""
    print("\n".join(lineage.lines(Path.cwd(), args.problem_id)))


def compare(args: argparse.Namespace) -> None:
    """Show how much better the students of revision B are than A's, problems gained and lost, settings that differ."""
    method = result_table.method(params.load(params.Report, "report"), params.load(params.Protocol, "exam.protocol"))
    one, other = (revisions.load(Path.cwd(), name, "report", scoring.SCORES) for name in (args.a, args.b))
    before, after = (core.students(each.table, method) for each in (one, other))
    print(f"{args.b} against {args.a}, mean over the benchmarks, on the same problems:\n")
    for name in [name for name in before if name in after]:
        try:
            found = core.difference(before[name], after[name], method)
        except ValueError as error:
            raise InputError(f"{args.a} and {args.b} had other exams: {error}") from error
        if found is None:
            print(f"- {name}: unscored")
            continue
        if before[name].equals(after[name]):
            print(f"- {name}: no difference")
            continue
        efforts = [table["effort"][0] or "none" for table in (before[name], after[name])]
        asked = f" (effort {efforts[0]}, then {efforts[1]})" if len(set(efforts)) > 1 else ""
        gained, lost = differences.gained_and_lost(before[name], after[name])
        print(f"- {name}{asked}: {core.gain(found)}; {len(gained)} problems gained, {len(lost)} lost")
        for word, ids in (("gained", gained), ("lost", lost)):
            if ids:
                print(f"    {word} {', '.join(ids[:SHOWN])}{', ...' if len(ids) > SHOWN else ''}")
    differing = revisions.differing(one, other)
    print("\nsettings that differ:\n" if differing else "\nsettings that differ: none")
    for key, (left, right) in differing.items():
        print(f"- {key}: {_brief(left)} -> {_brief(right)}")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


def main() -> None:
    """Dispatch to results, trace, compare or release."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    command = verbs.add_parser("results", help=results.__doc__)
    command.set_defaults(verb=results)
    for option in ("marks", "exams", "benchmarks", "scores", "eval", "summary", "table", "plot", "budgets"):
        command.add_argument(f"--{option}", type=Path, required=True)
    command = verbs.add_parser("trace", help=trace.__doc__)
    command.set_defaults(verb=trace)
    command.add_argument("problem_id")
    command = verbs.add_parser("compare", help=compare.__doc__)
    command.set_defaults(verb=compare)
    for name in ("a", "b"):
        command.add_argument(name, help="commit, branch, experiment, or `workspace`")
    release.options(verbs.add_parser("release", help=release.release.__doc__))
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    cli.run(main, is_stage="results" in sys.argv)
