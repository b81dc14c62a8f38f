"""The table of results by the settings of the exams and of the report: one for the terminal and for the page."""

from typing import NamedTuple

import polars as pl

from stages.core.scoring import results, scoring
from stages.edge import params


class Contents(NamedTuple):
    """Cells, heads first, what a reader has to know, and what the asterisks mean."""

    cells: list[list[str]]
    notes: list[str]
    footnotes: list[str]


def method(report: params.Report, protocol: params.Protocol) -> scoring.Method:
    """How scores become numbers."""
    return scoring.Method(
        protocol.num_samples, protocol.pass_k, report.num_resamples, report.seed, protocol.until is not None
    )


def contents(
    metrics: results.Metrics,
    summary: results.Metrics,
    exams: pl.DataFrame,
    exam: params.ExamRules,
    report: params.Report,
) -> Contents:
    """The table of these numbers; `exams` has the columns that `results.dates` reads."""
    rules, published = method(report, exam.protocol), report.published
    departures = {name: fields for name in metrics if (fields := exam.departures(name))}
    dates = results.dates(exams, results.benchmarks(metrics))
    efforts = {name: summary.get("effort", {})[name] for name in metrics if name in summary.get("effort", {})}
    cells = results.cells(metrics, summary, rules, published, [*departures, *efforts])
    notes = results.notes(metrics, rules, published, dates, answer_before_cut=exam.protocol.answer_before_cut)
    return Contents(cells, notes, results.footnotes(departures, efforts))
