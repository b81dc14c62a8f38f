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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.page import browser, charts, chats, counts, excerpt, gains, warnings
from stages.core.sampling.prompts import Example
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
        students = core.students(tables.read(args.scores, SCORES), method, list(evaluation))
        by_stage = gains.of_stages(students, [name for name in evaluation if name in exam.overrides], method)
        texts["gains"] = _gain_lines(gains.means(by_stage) | summary["difference"])
        rows = _rows(args, exams, settings.num_traces)
        encoded = browser.encoded(rows, ROWS_PER_BLOCK, list(evaluation))
        judged = sum(metrics["num_traces"] for metrics in _by_stage(args.judged).values())
        answered = sum(map(tables.height, tables.files(args.exams)))
        texts["trace_note"] = _trace_note(rows.height, judged + answered)
        blocks = browser.texts(rows, ROWS_PER_BLOCK)
        texts["prompts"] = [_prompt(effort) for effort in _by_stage(args.judged)]
        figures = [*_exam_figures(args, evaluation, method, settings, students, by_stage), *_data_figures(args)]
        page = webpage.render(texts, figures, encoded, blocks)
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
        "warnings": warnings.warnings(evaluation, summary["difference"], _by_stage(args.judged), collected, older),
        "tables": warnings.funnels(collected, _by_stage(args.curated)),
    }


def _gain_lines(numbers: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [f"{name.replace('_', ' ')}: {core.gain(gain)}" for name, gain in numbers.items()]


def _prompt(effort: str) -> chats.Prompt:
    asked = params.load(params.TeacherPrompt, f"prompts.{effort}")
    examples = [Example(each.topic, each.prompt, each.response) for each in asked.examples]
    return chats.prompt(effort, asked.reasoning_effort, asked.system, asked.suffix, examples)


def _exam_figures(
    args: argparse.Namespace,
    evaluation: core.Metrics,
    method: scoring.Method,
    settings: params.Report,
    students: Mapping[str, pl.DataFrame],
    by_stage: Sequence[gains.Gain],
) -> list[charts.Figure]:
    n, average = counts.exams(evaluation), method.average
    within = charts.budgets(_csv(args.budgets, budgets.BUDGETS))
    figures = [
        charts.Figure("Exams", n, charts.accuracy(evaluation, average, settings.published)),
        charts.Figure("Accuracy and tokens", n, charts.tokens(evaluation, average)),
        charts.Figure("More samples: one right (pass@k), and most right (maj@k)", n, charts.by_k(students)),
        charts.Figure("Accuracy within a budget of tokens", n, within),
    ]
    if by_stage:
        figures.insert(1, charts.Figure("Gain of each stage", counts.gains(by_stage), charts.gains(by_stage)))
    return figures


def _data_figures(args: argparse.Namespace) -> list[charts.Figure]:
    def plots(files: list[Path], schema: pl.Schema) -> dict[str, pl.DataFrame]:
        return {_stage_of(file): _csv(file, schema) for file in files}

    logs = {tables.name(file): _csv(file, LOG) for file in args.logs}
    votes, lengths = plots(args.votes, VOTES), plots(args.lengths, LENGTHS)
    voted = {effort: rows.filter(pl.col("accuracy").is_not_null()) for effort, rows in votes.items()}
    problems = counts.of_each(counts.total(voted, "num_problems"), "problems with a gold")
    rows = counts.of_each(counts.total(lengths, "num_rows"), "rows")
    steps = counts.of_each({stage: log["loss"].count() for stage, log in logs.items()}, "logged steps")
    collected = read_metrics(args.collected)
    losses = warnings.collect_losses(collected)
    figures = [
        charts.Figure("Where the teacher's answers agree, they are right", problems, charts.votes(votes)),
        charts.Figure("Loss of both stages", steps, charts.losses(logs)),
        charts.Figure("Lengths of the rows to learn from", rows, charts.lengths(lengths)),
        _funnel("From source rows to problems", "rows", collected["num_rows"], losses),
    ]
    for stage, curated in _by_stage(args.curated).items():
        losses = warnings.curate_losses(curated)
        figures.append(_funnel(f"From traces to rows of {stage}", "all traces", curated["num_traces"], losses))
    return figures


def _funnel(title: str, first: str, number: int, losses: Mapping[str, int]) -> charts.Figure:
    note = f"{number:,} {first.removeprefix('all ')}, {number - sum(losses.values()):,} left."
    return charts.Figure(title, note, charts.funnel(first, number, losses))


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
