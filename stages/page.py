"""All that a run made -> one page for a browser: results, charts, warnings, rows left out, and traces to read.

python -m stages.page --benchmarks data/benchmarks.parquet --gathered data/gathered/final \
    --scores data/scores.parquet --eval metrics/eval.json --summary metrics/summary.json \
    --budgets metrics/plots/budgets.csv --output metrics/report.html
"""

import argparse
from collections.abc import Mapping, Sequence

import polars as pl

from stages.core.page import browser, charts, chats, counts, excerpt, gains, warnings
from stages.core.sampling.prompts import Example
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
    with track.stage("page", settings.model_dump(), is_last=True) as run:
        method = result_table.method(settings, exam.protocol)
        evaluation, summary = read_metrics(args.eval), read_metrics(args.summary)
        exams = tables.read(args.benchmarks, excerpt.EXAMS_IN)
        texts = _texts(found, evaluation, summary, exams, exam, settings)
        students = core.students(tables.read(args.scores, SCORES), method, list(evaluation))
        by_stage = gains.of_stages(students, found.students, method)
        texts["gains"] = _gain_lines(gains.means(by_stage) | summary["difference"])
        rows = _rows(found, exams, settings.num_traces)
        encoded = browser.encoded(rows, ROWS_PER_BLOCK, list(evaluation))
        judged = sum(metrics["num_traces"] for metrics in found.metrics("judge").values())
        answered = sum(map(tables.height, tables.files(found.exams)))
        texts["trace_note"] = _trace_note(rows.height, judged + answered)
        blocks = browser.texts(rows, ROWS_PER_BLOCK)
        asked = params.load(dict[str, params.TeacherPrompt], "prompts")
        texts["prompts"] = [_prompt(effort, each) for effort, each in asked.items()]
        figures = [*_exam_figures(args, evaluation, method, settings, students, by_stage), *_data_figures(found)]
        page = webpage.render(texts, figures, encoded, blocks)
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
        "warnings": warnings.warnings(evaluation, summary["difference"], found.metrics("judge"), collected, older),
        "tables": warnings.funnels(collected, found.metrics("curate")),
    }


def _gain_lines(numbers: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [f"{name.replace('_', ' ')}: {core.gain(gain)}" for name, gain in numbers.items()]


def _prompt(effort: str, asked: params.TeacherPrompt) -> chats.Prompt:
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
    within = charts.budgets(read_csv(args.budgets, budgets.BUDGETS))
    figures = [
        charts.Figure("Exams", n, charts.accuracy(evaluation, average, settings.published)),
        charts.Figure("Accuracy and tokens", n, charts.tokens(evaluation, average)),
        charts.Figure("More samples: one right (pass@k), and most right (maj@k)", n, charts.by_k(students)),
        charts.Figure("Accuracy within a budget of tokens", n, within),
    ]
    if by_stage:
        figures.insert(1, charts.Figure("Gain of each stage", counts.gains(by_stage), charts.gains(by_stage)))
    return figures


def _data_figures(found: Gathered) -> list[charts.Figure]:
    def rows_of(folder: str, pattern: str, schema: pl.Schema) -> dict[str, pl.DataFrame]:
        return {name: read_csv(path, schema) for name, path in found.named(folder, pattern).items()}

    logs = rows_of("train_log", "{}.csv", plots.LOSSES)
    votes = rows_of("plots", "vote_{}.csv", plots.VOTES)
    lengths = rows_of("plots", "lengths_{}.csv", plots.LENGTHS)
    voted = {effort: rows.filter(pl.col("accuracy").is_not_null()) for effort, rows in votes.items()}
    problems = counts.of_each(counts.total(voted, "num_problems"), "problems with a gold")
    rows = counts.of_each(counts.total(lengths, "num_rows"), "rows")
    steps = counts.of_each({stage: log["loss"].count() for stage, log in logs.items()}, "logged steps")
    collected = found.collected
    losses = warnings.collect_losses(collected)
    figures = [
        charts.Figure("Where the teacher's answers agree, they are right", problems, charts.votes(votes)),
        charts.Figure("Loss of each stage", steps, charts.losses(logs)),
        charts.Figure("Lengths of the rows to learn from", rows, charts.lengths(lengths)),
        _funnel("From source rows to problems", "rows", collected["num_rows"], losses),
    ]
    for stage, curated in found.metrics("curate").items():
        losses = warnings.curate_losses(curated)
        figures.append(_funnel(f"From traces to rows of {stage}", "all traces", curated["num_traces"], losses))
    return figures


def _funnel(title: str, first: str, number: int, losses: Mapping[str, int]) -> charts.Figure:
    note = f"{number:,} {first.removeprefix('all ')}, {number - sum(losses.values()):,} left."
    return charts.Figure(title, note, charts.funnel(first, number, losses))


def _rows(found: Gathered, exams: pl.DataFrame, num_traces: int) -> pl.DataFrame:
    """The rows of the browser: the excerpts of the teacher's traces, and about `num_traces` of the students'."""
    parts = [excerpt.merged(tables.read(found.excerpts, excerpt.EXCERPT))]
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
