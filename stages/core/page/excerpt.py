"""Traces to read on the page, with their verdicts, labels and use: the table, and its rows of the exams."""

from collections.abc import Collection
from hashlib import sha256

import polars as pl

from stages.core.tables.answers import VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import BENCHMARKS
from stages.core.tables.traces import TRACES, TRACES_KEY

TRACE_COLUMNS = (*TRACES_KEY, "reasoning", "content", "status", "completion_tokens")
VERDICT_COLUMNS = ("answer", "extracted_by", "verdict", "decided_by")
EXCERPT = pl.Schema(
    {
        "part": pl.String(),
        **{name: TRACES[name] for name in TRACE_COLUMNS},
        **{name: VERDICTS[name] for name in VERDICT_COLUMNS},
        **dict.fromkeys(("set", "prompt", "gold", "label", "label_source", "fate"), pl.String()),
    }
)
"""`part` is the stage that sampled the trace, or the one that put it into a pool, whose vote may judge it otherwise;
`set` the problem's source or benchmark, `label` its label after the vote, `fate` the trace's use in the SFT sets."""
EXCERPT_KEY = TRACES_KEY

TRACES_IN = pl.Schema({name: TRACES[name] for name in TRACE_COLUMNS})
VERDICTS_IN = pl.Schema({name: VERDICTS[name] for name in (*VERDICTS_KEY, *VERDICT_COLUMNS)})
_EXAM = ("benchmark", "problem_id", "prompt", "gold", "published", "younger_than_sources")
EXAMS_IN = pl.Schema({name: BENCHMARKS[name] for name in _EXAM})


def chosen(problem_ids: Collection[str], share: float) -> list[str]:
    """A random share of the problems, one at least; the same in every run."""
    ordered = sorted(problem_ids, key=lambda name: (sha256(name.encode()).digest(), name))
    return ordered[: max(1, round(share * len(ordered)))]


def merged(rows: pl.DataFrame) -> pl.DataFrame:
    """`EXCERPT` of several SFT sets with each trace once: sets that learn from one effort have the same traces."""
    key = ("part", *TRACES_KEY)
    fate = pl.col("fate").sort().str.join("; ").over(key)
    return rows.with_columns(fate=pl.when(fate != "").then(fate)).unique(key, keep="first", maintain_order=True)


def exam_excerpt(student: str, traces: pl.DataFrame, verdicts: pl.DataFrame, exams: pl.DataFrame) -> pl.DataFrame:
    """`EXCERPT` of a student's `TRACES_IN` in the exams, from `VERDICTS_IN` and `EXAMS_IN`."""
    questions = exams.select("benchmark", "problem_id", "prompt", "gold", set="benchmark")
    return rows(
        pl.lit(f"exam@{student}"),
        traces.join(verdicts, on=VERDICTS_KEY, how="left", nulls_equal=True).join(
            questions, on=["benchmark", "problem_id"], how="left"
        ),
    )


def rows(part: pl.Expr, joined: pl.DataFrame) -> pl.DataFrame:
    """`EXCERPT`, sorted, of rows that have some of its columns; the others are null."""
    absent = {name: pl.lit(None) for name in EXCERPT if name not in (*joined.columns, "part")}
    typed = joined.with_columns(part=part, **absent).select(pl.col(name).cast(kind) for name, kind in EXCERPT.items())
    return typed.sort("benchmark", "problem_id", "model", "effort", "sample", nulls_last=False)
