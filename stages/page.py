"""All that a run made -> one page for a browser: results, charts, warnings, rows left out, and traces to read.

python -m stages.page --benchmarks data/benchmarks.parquet --excerpt data/excerpt.parquet \
    --logs data/train_log/turbo.csv data/train_log/final.csv \
    --exams data/exams/base data/exams/baselines data/exams/final data/exams/turbo \
    --marks data/marks/base.parquet data/marks/baselines.parquet data/marks/final.parquet data/marks/turbo.parquet \
    --scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json \
    --collected metrics/collect.json --budgets metrics/plots/budgets.csv \
    --lengths metrics/plots/lengths_turbo.csv metrics/plots/lengths_final.csv \
    --votes metrics/plots/vote_medium.csv metrics/plots/vote_high.csv \
    --curated metrics/curate_turbo.json metrics/curate_final.json \
    --judged metrics/judge_medium.json metrics/judge_high.json --output metrics/report.html
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.page import browser, charts, excerpt, warnings
from stages.core.scoring import budgets, scoring
from stages.core.scoring import results as core
from stages.core.scoring.scores import SCORES
from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import tables
from stages.edge.files.metrics import read_metrics, write_text
from stages.edge.results import excerpts, result_table, webpage

ROWS_PER_BLOCK = 100
LOG = pl.Schema({"step": pl.Int64(), "loss": pl.Float64(), "held_out_loss": pl.Float64()})
LENGTHS = pl.Schema({"tokens": pl.Int64(), "num_rows": pl.Int64()})
VOTES = pl.Schema({"bin": pl.Float64(), "num_problems": pl.Int64(), "accuracy": pl.Float64()})


def main() -> None:
    """Write the page."""
    paths = ("benchmarks", "excerpt", "scores", "eval", "summary", "collected", "budgets", "output")
    parser = running.parser(__doc__, *paths, several=["logs", "exams", "marks"])
    for name in ("curated", "judged", "lengths", "votes"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help="files, NAME_STAGE each")
    args = parser.parse_args()
    exam = params.load_part(params.ExamRules, "exam")
    settings = params.load(params.Report, "report")
    with track.stage("page", settings.model_dump(), is_last=True) as run:
        method = result_table.method(settings, exam.protocol)
        evaluation, summary = read_metrics(args.eval), read_metrics(args.summary)
        exams = tables.read(args.benchmarks, excerpt.EXAMS_IN)
        texts = _texts(args, evaluation, summary, exams, exam, settings)
        rows = _rows(args, exams, settings.num_traces)
        encoded = browser.encoded(rows) | {"rows_per_block": ROWS_PER_BLOCK}
        judged = sum(metrics["num_traces"] for metrics in _by_stage(args.judged).values())
        answered = sum(map(tables.height, tables.files(args.exams)))
        texts["trace_note"] = _trace_note(rows.height, judged + answered)
        blocks = browser.texts(rows, ROWS_PER_BLOCK)
        charts = [*_charts(args, evaluation, method, settings), *_funnels(args)]
        page = webpage.render(texts, charts, encoded, blocks)
        write_text(page, args.output)
        run.artifact(args.output)


def _by_stage(files: list[Path]) -> dict[str, Any]:
    return {_stage_of(file): read_metrics(file) for file in files}


def _stage_of(file: Path) -> str:
    """What stands after the first underscore of its name."""
    return file.stem.partition("_")[2]


def _texts(
    args: argparse.Namespace,
    evaluation: core.Metrics,
    summary: core.Metrics,
    exams: pl.DataFrame,
    exam: params.ExamRules,
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
    def plots(files: list[Path], schema: pl.Schema) -> dict[str, pl.DataFrame]:
        return {_stage_of(file): _csv(file, schema) for file in files}

    logs = {tables.name(file): _csv(file, LOG) for file in args.logs}
    scores = core.students(tables.read(args.scores, SCORES), method, list(evaluation))
    return [
        ("Exams", charts.accuracy(evaluation, method.average, settings.published)),
        ("Accuracy and tokens", charts.tokens(evaluation, method.average)),
        ("More samples: one right (pass@k), and most right (maj@k)", charts.by_k(scores)),
        ("Accuracy within a budget of tokens", charts.budgets(_csv(args.budgets, budgets.BUDGETS))),
        ("Where the teacher's answers agree, they are right", charts.votes(plots(args.votes, VOTES))),
        ("Loss of both stages", charts.losses(logs)),
        ("Lengths of the rows to learn from", charts.lengths(plots(args.lengths, LENGTHS))),
    ]


def _funnels(args: argparse.Namespace) -> list[tuple[str, Mapping[str, Any]]]:
    collected = read_metrics(args.collected)
    losses = warnings.collect_losses(collected)
    found: list[tuple[str, Mapping[str, Any]]] = [
        ("From source rows to problems", charts.funnel("rows", collected["num_rows"], losses))
    ]
    for stage, curated in _by_stage(args.curated).items():
        losses = warnings.curate_losses(curated)
        found.append((f"From traces to rows of {stage}", charts.funnel("all traces", curated["num_traces"], losses)))
    return found


def _csv(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """Some columns of a file that a stage wrote for a plot; types are set, as a file without rows has none."""
    return pl.read_csv(path, schema_overrides=schema).select(list(schema))


def _rows(args: argparse.Namespace, exams: pl.DataFrame, num_traces: int) -> pl.DataFrame:
    """The rows of the browser: the excerpt of the teacher's traces, and about as many of the students'."""
    parts = [tables.read(args.excerpt, excerpt.EXCERPT)]
    ids = excerpts.problem_ids(args.exams, num_traces)
    marked = {tables.name(path): path for path in args.marks}
    for path in args.exams:
        name = tables.name(path)
        marks = excerpts.of(marked[name], excerpt.VERDICTS_IN, ids)
        parts.append(excerpt.exam_excerpt(name, excerpts.of(path, excerpt.TRACES_IN, ids), marks, exams))
    return pl.concat(parts)


def _trace_note(num_rows: int, total: int) -> str:
    if num_rows == total:
        return f"All {num_rows:,} traces of this run, the teacher's and the students'."
    return f"{num_rows:,} of {total:,} traces: all of some problems, which are the same in every run."


if __name__ == "__main__":
    running.run(main)
