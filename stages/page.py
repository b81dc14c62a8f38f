"""All that a run made -> one page for a browser: results, charts, warnings, rows left out, and traces to read.

python -m stages.page --benchmarks data/benchmarks.parquet --gathered data/gathered/final \
    --scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json \
    --budgets metrics/plots/budgets.csv --output metrics/report.html
"""

import argparse
from collections.abc import Mapping
from typing import Any

import polars as pl

from stages.core.page import browser, charts, excerpt, warnings
from stages.core.scoring import budgets, scoring
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES
from stages.core.tables import plots
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.files.metrics import read_csv, read_metrics, write_text
from stages.edge.results import excerpts, result_table, webpage
from stages.edge.results.gathered import Gathered

ROWS_PER_BLOCK = 100


def main() -> None:
    """Write the page."""
    paths = ("benchmarks", "gathered", "scores", "eval", "summary", "budgets", "output")
    args = running.parser(__doc__, *paths).parse_args()
    found = Gathered(args.gathered)
    exam = params.load_part(params.ExamRules, "exam")
    settings = params.load(params.Report, "report")
    with track.stage("page", settings.model_dump()) as run:
        method = result_table.method(settings, exam.protocol)
        evaluation, summary = read_metrics(args.eval), read_metrics(args.summary)
        exams = tables.read(args.benchmarks, excerpt.EXAMS_IN)
        texts = _texts(found, evaluation, summary, exams, exam, settings)
        rows = _rows(found, exams, settings.num_traces)
        encoded = browser.encoded(rows) | {"rows_per_block": ROWS_PER_BLOCK}
        judged = found.metrics("judge")
        read = sum(judged[effort]["num_traces"] for effort in found.effort_of.values())
        answered = sum(map(tables.height, tables.files(found.exams)))
        texts["trace_note"] = _trace_note(rows.height, read + answered)
        blocks = browser.texts(rows, ROWS_PER_BLOCK)
        charts = [*_charts(found, args, evaluation, method, settings), *_funnels(found)]
        page = webpage.render(texts, charts, encoded, blocks)
        write_text(page, args.output)
        run.artifact(args.output)


def _texts(
    found: Gathered,
    evaluation: core.Metrics,
    summary: core.Metrics,
    exams: pl.DataFrame,
    exam: params.ExamRules,
    settings: params.Report,
) -> dict[str, object]:
    contents = result_table.contents(evaluation, summary, exams, exam, settings)
    dates = core.dates(exams, core.benchmarks(evaluation))
    older = [name for name, (_, is_younger) in dates.items() if is_younger is False]
    collected = found.collected
    return {
        "title": f"ReasonLite-DVC: results of the profile {params.profile()}",
        "cells": contents.cells,
        "notes": [*contents.notes, *(f"* {each}" for each in contents.footnotes)],
        "gains": [f"{name.replace('_', ' ')}: {core.gain(gain)}" for name, gain in summary["difference"].items()],
        "warnings": warnings.warnings(evaluation, summary["difference"], found.metrics("judge"), collected, older),
        "tables": warnings.funnels(collected, found.metrics("curate")),
    }


def _charts(
    found: Gathered, args: argparse.Namespace, evaluation: core.Metrics, method: scoring.Method, settings: params.Report
) -> list[tuple[str, Mapping[str, Any]]]:
    def rows(folder: str, pattern: str, schema: pl.Schema) -> dict[str, pl.DataFrame]:
        return {name: read_csv(path, schema) for name, path in found.named(folder, pattern).items()}

    scores = core.students(tables.read(args.scores, SCORES), method, list(evaluation))
    return [
        ("Exams", charts.accuracy(evaluation, method.average, settings.published)),
        ("Accuracy and tokens", charts.tokens(evaluation, method.average)),
        ("More samples: one right (pass@k), and most right (maj@k)", charts.by_k(scores)),
        ("Accuracy within a budget of tokens", charts.budgets(read_csv(args.budgets, budgets.BUDGETS))),
        ("Where the teacher's answers agree, they are right", charts.votes(rows("plots", "vote_{}.csv", plots.VOTES))),
        ("Loss of each stage", charts.losses(rows("train_log", "{}.csv", plots.LOSSES))),
        ("Lengths of the rows to learn from", charts.lengths(rows("plots", "lengths_{}.csv", plots.LENGTHS))),
    ]


def _funnels(found: Gathered) -> list[tuple[str, Mapping[str, Any]]]:
    collected = found.collected
    losses = warnings.collect_losses(collected)
    made: list[tuple[str, Mapping[str, Any]]] = [
        ("From source rows to problems", charts.funnel("rows", collected["num_rows"], losses))
    ]
    for stage, curated in found.metrics("curate").items():
        losses = warnings.curate_losses(curated)
        made.append((f"From traces to rows of {stage}", charts.funnel("all traces", curated["num_traces"], losses)))
    return made


def _rows(found: Gathered, exams: pl.DataFrame, num_traces: int) -> pl.DataFrame:
    """The rows of the browser: the excerpts of the teacher's traces, and about `num_traces` of the students'."""
    parts = [tables.read(found.excerpts, excerpt.EXCERPT)]
    ids = excerpts.problem_ids(found.exams, num_traces)
    for path, marked in zip(found.exams, found.marks, strict=True):
        traces, marks = excerpts.of(path, excerpt.TRACES_IN, ids), excerpts.of(marked, excerpt.VERDICTS_IN, ids)
        parts.append(excerpt.exam_excerpt(path.name, traces, marks, exams))
    return pl.concat(parts)


def _trace_note(num_rows: int, total: int) -> str:
    if num_rows == total:
        return f"All {num_rows:,} traces of this run, the teacher's and the students'."
    return f"{num_rows:,} of {total:,} traces: all of some problems, which are the same in every run."


if __name__ == "__main__":
    running.run(main)
