"""Verdicts of the exams -> metrics, plots and the table of results, which is printed too.

python -m stages.report --benchmarks data/benchmarks.parquet --gathered data/gathered/final \
    --scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json --table metrics/results.md \
    --plot metrics/plots/accuracy.csv --budgets metrics/plots/budgets.csv --funnels metrics/plots/funnels.csv \
    --lengths metrics/plots/lengths.csv --votes metrics/plots/votes.csv --losses metrics/plots/losses.csv

The students are shown in the order of the chain, and the last of them is compared with all others.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from stages.core.scoring import budgets, looping, scoring
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES, SCORES_KEY
from stages.core.tables import plots
from stages.core.tables.benchmarks import BENCHMARKS
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.files import tables
from stages.edge.files.metrics import read_csv, write_csv, write_metrics, write_text
from stages.edge.results import gathered, history, result_table
from stages.edge.workers import shards

PLOTS = {
    "funnels": ("plots", "funnel_{}.csv", plots.STAGE, plots.FUNNEL),
    "lengths": ("plots", "lengths_{}.csv", plots.STAGE, plots.LENGTHS),
    "votes": ("plots", "vote_{}.csv", plots.EFFORT, plots.VOTES),
    "losses": ("train_log", "{}.csv", plots.STAGE, plots.LOSSES),
}
"""What is joined over all stages or efforts, and the columns that say whose rows they are."""
EXAMS_IN = pl.Schema({name: BENCHMARKS[name] for name in ("benchmark", "published", "younger_than_sources")})


def main() -> None:
    """Score every student, and the better effort of every baseline."""
    paths = ("benchmarks", "gathered", "scores", "eval", "summary", "table", "plot", "budgets", *PLOTS)
    args = running.parser(__doc__, *paths).parse_args()
    found = gathered.Gathered(args.gathered)
    exam = params.load_part(params.ExamRules, "exam")
    settings = params.load(params.Report, "report")
    runtime = params.load(params.Runtime, "runtime")
    method = result_table.method(settings, exam.protocol)
    with track.stage("report", settings.model_dump()) as run:
        marks = tables.read(found.marks, scoring.VERDICTS_IN)
        work = partial(looping.without_texts, max_repeated_share=settings.max_repeated_share)
        traces = pl.concat(shards.mapped(found.exams, scoring.TEXTS_IN, work, runtime.num_workers, runtime.pool))
        try:
            scores = scoring.scores(marks, traces)
            order = [path.name for path in found.exams]
            students = core.students(scores, method, order)
            metrics = {name: core.metrics(table, method) for name, table in students.items()}
            summary = core.summary(scores, students, method, order)
        except ValueError as error:
            raise InputError(
                f"{args.gathered}: its exams and marks cannot be scored: {error}; run `dvc repro`, which makes both "
                "anew"
            ) from error
        exams = tables.read(args.benchmarks, EXAMS_IN)
        contents = result_table.contents(metrics, summary, exams, exam, settings)
        table = core.markdown(*contents, summary["difference"])
        tables.write(scores, args.scores, SCORES, SCORES_KEY)
        write_metrics(metrics, args.eval)
        write_metrics(summary, args.summary)
        write_csv(core.bars(metrics, method.average), args.plot)
        write_csv(_budgets(students, marks, traces, exam, method), args.budgets)
        for name, (kind, pattern, column, schema) in PLOTS.items():
            parts = {each: read_csv(path, schema) for each, path in found.named(kind, pattern).items()}
            write_csv(plots.together(column, schema, parts), getattr(args, name))
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
