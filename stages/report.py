"""Verdicts of the exams -> metrics, plots and the table of results, which is printed too.

python -m stages.report --benchmarks data/benchmarks.parquet \
    --marks data/marks/base.parquet data/marks/turbo.parquet data/marks/final.parquet data/marks/baselines.parquet \
    --exams data/exams/base data/exams/turbo data/exams/final data/exams/baselines \
    --scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json --table metrics/results.md \
    --plot metrics/plots/accuracy.csv --budgets metrics/plots/budgets.csv

The students are shown in the order of the exams, and the last of them is compared with all others.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from stages.core.scoring import budgets, looping, scoring
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES, SCORES_KEY
from stages.core.tables.benchmarks import BENCHMARKS
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.files import tables
from stages.edge.files.metrics import write_csv, write_metrics, write_text
from stages.edge.results import history, result_table
from stages.edge.workers import shards

EXAMS_IN = pl.Schema({name: BENCHMARKS[name] for name in ("benchmark", "published", "younger_than_sources")})


def main() -> None:
    """Score every student, and the better effort of every baseline."""
    paths = ("benchmarks", "scores", "eval", "summary", "table", "plot", "budgets")
    args = running.parser(__doc__, *paths, several=["marks", "exams"]).parse_args()
    exam = params.load_part(params.ExamRules, "exam")
    settings = params.load(params.Report, "report")
    runtime = params.load(params.Runtime, "runtime")
    method = result_table.method(settings, exam.protocol)
    with track.stage("report", settings.model_dump()) as run:
        marks = tables.read(args.marks, scoring.VERDICTS_IN)
        work = partial(looping.without_texts, max_repeated_share=settings.max_repeated_share)
        traces = pl.concat(shards.mapped(args.exams, scoring.TEXTS_IN, work, runtime.num_workers, runtime.pool))
        try:
            scores = scoring.scores(marks, traces)
            order = [tables.name(path) for path in args.exams]
            students = core.students(scores, method, order)
            metrics = {name: core.metrics(table, method) for name, table in students.items()}
            summary = core.summary(scores, students, method, order)
        except ValueError as error:
            raise InputError(
                f"{tables.spoken(args.exams)} and {tables.spoken(args.marks)} cannot be scored: {error}; run "
                f"`dvc repro`, which makes both anew"
            ) from error
        exams = tables.read(args.benchmarks, EXAMS_IN)
        contents = result_table.contents(metrics, summary, exams, exam, settings)
        table = core.markdown(*contents, summary["difference"])
        tables.write(scores, args.scores, SCORES, SCORES_KEY)
        write_metrics(metrics, args.eval)
        write_metrics(summary, args.summary)
        write_csv(core.bars(metrics, method.average), args.plot)
        write_csv(_budgets(students, marks, traces, exam, method), args.budgets)
        write_text(table, args.table)
        run.metrics(metrics)
        run.metrics(summary)
        history.keep(args.scores, Path.cwd())
        for path in (args.eval, args.table, args.plot, args.budgets):
            run.artifact(path)
    print(table)


def _budgets(
    students: Mapping[str, pl.DataFrame],
    marks: pl.DataFrame,
    traces: pl.DataFrame,
    exam: params.ExamRules,
    method: scoring.Method,
) -> pl.DataFrame:
    parts = [pl.DataFrame(schema=budgets.BUDGETS)]
    for name, table in students.items():
        own = (pl.col("model") == name) & pl.col("effort").eq_missing(pl.lit(table["effort"][0], pl.String))
        some = marks.filter(own), traces.filter(own)
        parts.append(budgets.at_budgets(*some, exam.max_tokens(name), method.num_resamples, method.seed))
    return pl.concat(parts)


if __name__ == "__main__":
    running.run(main)
