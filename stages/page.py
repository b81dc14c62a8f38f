"""All that a run made -> one page for a browser: results, charts, warnings, rows left out, and traces to read.

python -m stages.page --benchmarks data/benchmarks.parquet --excerpt data/excerpt.parquet --logs data/train_log \
    --exams data/exams --marks data/marks --scores data/scores.parquet --eval metrics/eval.json \
    --summary metrics/summary.json --plots metrics/plots --collected metrics/collect.json \
    --curated metrics/curate_turbo.json metrics/curate_final.json \
    --judged metrics/judge_medium.json metrics/judge_high.json --output metrics/report.html
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.page import browser, charts, warnings
from stages.core.scoring import budgets, scoring
from stages.core.scoring import results as core
from stages.core.tables.excerpt import EXCERPT
from stages.core.tables.scores import SCORES
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.files.metrics import read_metrics, write_text
from stages.edge.results import excerpts, result_table, webpage

ROWS_PER_BLOCK = 100
LOG = pl.Schema({"step": pl.Int64(), "loss": pl.Float64(), "held_out_loss": pl.Float64()})
PLOTS = {
    "funnel": pl.Schema({"step": pl.String(), "num_rows": pl.Int64()}),
    "lengths": pl.Schema({"tokens": pl.Int64(), "num_rows": pl.Int64()}),
    "vote": pl.Schema({"bin": pl.Float64(), "num_problems": pl.Int64(), "accuracy": pl.Float64()}),
}


def main() -> None:
    """Write the page."""
    paths = ("benchmarks", "excerpt", "logs", "exams", "marks", "scores", "eval", "summary", "plots", "collected")
    parser = running.parser(__doc__, *paths, "output")
    for name in ("curated", "judged"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help="metrics, NAME_STAGE.json each")
    args = parser.parse_args()
    exam = params.load(params.Exam, "exam")
    settings = params.load(params.Report, "report")
    with track.stage("page", settings.model_dump()) as run:
        method = result_table.method(settings, exam.protocol)
        evaluation, summary = read_metrics(args.eval), read_metrics(args.summary)
        exams = tables.read(args.benchmarks, browser.EXAMS_IN)
        texts = _texts(args, evaluation, summary, exams, exam, settings)
        rows = _rows(args, exams, settings.num_traces)
        encoded = browser.encoded(rows) | {"rows_per_block": ROWS_PER_BLOCK}
        judged = sum(metrics["num_traces"] for metrics in _by_stage(args.judged).values())
        answered = sum(map(tables.height, tables.files(args.exams)))
        texts["trace_note"] = _trace_note(rows.height, judged + answered)
        blocks = browser.texts(rows, ROWS_PER_BLOCK)
        page = webpage.render(texts, _charts(args, evaluation, method, settings), encoded, blocks)
        write_text(page, args.output)
        run.artifact(args.output)


def _by_stage(files: list[Path]) -> dict[str, Any]:
    """Metrics by what stands after the first underscore of their name."""
    return {file.stem.partition("_")[2]: read_metrics(file) for file in files}


def _texts(
    args: argparse.Namespace,
    evaluation: core.Metrics,
    summary: core.Metrics,
    exams: pl.DataFrame,
    exam: params.Exam,
    settings: params.Report,
) -> dict[str, object]:
    contents = result_table.contents(evaluation, summary, exams, exam, settings)
    dates = core.dates(exams, core.benchmarks(evaluation))
    older = [name for name, (_, is_younger) in dates.items() if is_younger is False]
    collected = read_metrics(args.collected)
    return {
        "title": f"ReasonLite-DVC: results of the profile {params.profile()}",
        "cells": contents.cells,
        "notes": [*contents.notes, *(f"* {each}" for each in contents.footnotes)],
        "gains": [f"{name.replace('_', ' ')}: {core.gain(gain)}" for name, gain in summary["difference"].items()],
        "warnings": warnings.warnings(evaluation, summary["difference"], _by_stage(args.judged), collected, older),
        "tables": warnings.funnels(collected, _by_stage(args.curated)),
    }


def _charts(
    args: argparse.Namespace, evaluation: core.Metrics, method: scoring.Method, settings: params.Report
) -> list[tuple[str, Mapping[str, Any]]]:
    def plots(kind: str) -> dict[str, pl.DataFrame]:
        files = sorted(args.plots.glob(f"{kind}_*.csv"), reverse=True)  # turbo before final
        return {file.stem.partition("_")[2]: _csv(file, PLOTS[kind]) for file in files}

    logs = {file.stem: _csv(file, LOG) for file in sorted(args.logs.glob("*.csv"), reverse=True)}
    scores = core.students(tables.read(args.scores, SCORES), method)
    return [
        ("Exams", charts.accuracy(evaluation, method.average, settings.published)),
        ("Accuracy and tokens", charts.tokens(evaluation, method.average)),
        ("More samples: one right (pass@k), and most right (maj@k)", charts.by_k(scores)),
        ("Accuracy within a budget of tokens", charts.budgets(_csv(args.plots / "budgets.csv", budgets.BUDGETS))),
        ("Where the teacher's answers agree, they are right", charts.votes(plots("vote"))),
        ("Loss of both stages", charts.losses(logs)),
        ("Lengths of the rows to learn from", charts.lengths(plots("lengths"))),
        ("From source rows to problems", charts.funnel(_csv(args.plots / "collect.csv", PLOTS["funnel"]))),
        *((f"From traces to rows of {stage}", charts.funnel(rows)) for stage, rows in plots("funnel").items()),
    ]


def _csv(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """Some columns of a file that a stage wrote for a plot; types are set, as a file without rows has none."""
    return pl.read_csv(path, schema_overrides=schema).select(list(schema))


def _rows(args: argparse.Namespace, exams: pl.DataFrame, num_traces: int) -> pl.DataFrame:
    """The rows of the browser: the excerpt of the teacher's traces, and about as many of the students'."""
    parts = [tables.read(args.excerpt, EXCERPT)]
    folders = tables.folders(args.exams)
    ids = excerpts.problem_ids(folders, num_traces)
    for folder in folders:
        marks = excerpts.of(args.marks / f"{folder.name}.parquet", browser.VERDICTS_IN, ids)
        parts.append(browser.exam_excerpt(folder.name, excerpts.of(folder, browser.TRACES_IN, ids), marks, exams))
    return pl.concat(parts)


def _trace_note(num_rows: int, total: int) -> str:
    if num_rows == total:
        return f"All {num_rows:,} traces of this run, the teacher's and the students'."
    return f"{num_rows:,} of {total:,} traces: all of some problems, which are the same in every run."


if __name__ == "__main__":
    running.run(main)
