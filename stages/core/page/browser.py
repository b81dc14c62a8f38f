"""What the page of results shows beside its charts: warnings, the tables of rejected rows, and traces to read."""

from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any

import polars as pl

from stages.core.tables.answers import VERDICTS, VERDICTS_KEY
from stages.core.tables.benchmarks import BENCHMARKS
from stages.core.tables.excerpt import EXCERPT, TRACE_COLUMNS, VERDICT_COLUMNS
from stages.core.tables.problems import PROBLEMS
from stages.core.tables.sft import SFT, SFT_KEY
from stages.core.tables.traces import TRACES
from stages.core.tables.votes import VOTES

KEPT = "row"

TRACES_IN = pl.Schema({name: TRACES[name] for name in TRACE_COLUMNS})
VERDICTS_IN = pl.Schema({name: VERDICTS[name] for name in (*VERDICTS_KEY, *VERDICT_COLUMNS)})
PROBLEMS_IN = pl.Schema({name: PROBLEMS[name] for name in ("problem_id", "source", "prompt", "gold")})
_EXAM = ("benchmark", "problem_id", "prompt", "gold", "published", "younger_than_sources")
EXAMS_IN = pl.Schema({name: BENCHMARKS[name] for name in _EXAM})
VOTES_IN = pl.Schema({name: VOTES[name] for name in ("problem_id", "label", "label_source")})
SFT_IN = pl.Schema({name: SFT[name] for name in SFT_KEY})
COLUMNS = ("part", "model", "effort", "set", "problem", "sample", "status", "tokens", *VERDICT_COLUMNS, "fate")
TEXTS = ("reasoning", "content")


def chosen(problem_ids: Collection[str], share: float) -> list[str]:
    """A random share of the problems, one at least; the same in every run."""
    ordered = sorted(problem_ids, key=lambda name: (sha256(name.encode()).digest(), name))
    return ordered[: max(1, round(share * len(ordered)))]


def outcomes(
    rejects: Mapping[str, pl.DataFrame], kept: Mapping[str, pl.DataFrame], as_kept: pl.Expr | None = None
) -> pl.DataFrame:
    """By the key of a trace, what each SFT set did with it: "turbo: row" (or `as_kept`), or the reason against it.

    `rejects` has `REJECTS` and `kept` `SFT_IN`, by stage.
    """
    reason = pl.col("reason").cast(pl.String)
    parts = [
        frame.select(*SFT_KEY, fate=pl.lit(f"{stage}: ") + each)
        for each, tables in ((reason, rejects), (pl.lit(KEPT) if as_kept is None else as_kept, kept))
        for stage, frame in tables.items()
    ]
    empty = pl.DataFrame(schema={**SFT_IN, "fate": pl.String()})
    return pl.concat([empty, *parts]).group_by(SFT_KEY).agg(pl.col("fate").sort().str.join("; "))


def teacher_excerpt(
    traces: pl.DataFrame, verdicts: pl.DataFrame, problems: pl.DataFrame, votes: pl.DataFrame, outcomes: pl.DataFrame
) -> pl.DataFrame:
    """`EXCERPT` of the teacher's `TRACES_IN` at one effort, with the other `_IN` tables and `outcomes`."""
    return _rows(
        "teach@" + pl.col("effort").fill_null(""),
        traces.join(verdicts, on=VERDICTS_KEY, how="left", nulls_equal=True)
        .join(problems.rename({"source": "set"}), on="problem_id", how="left")
        .join(votes, on="problem_id", how="left")
        .join(outcomes, on=SFT_KEY, how="left", nulls_equal=True),
    )


def exam_excerpt(student: str, traces: pl.DataFrame, verdicts: pl.DataFrame, exams: pl.DataFrame) -> pl.DataFrame:
    """`EXCERPT` of a student's `TRACES_IN` in the exams, from `VERDICTS_IN` and `EXAMS_IN`."""
    questions = exams.select("benchmark", "problem_id", "prompt", "gold", set="benchmark")
    return _rows(
        pl.lit(f"exam@{student}"),
        traces.join(verdicts, on=VERDICTS_KEY, how="left", nulls_equal=True).join(
            questions, on=["benchmark", "problem_id"], how="left"
        ),
    )


def _rows(part: pl.Expr, rows: pl.DataFrame) -> pl.DataFrame:
    absent = {name: pl.lit(None) for name in EXCERPT if name not in (*rows.columns, "part")}
    typed = rows.with_columns(part=part, **absent).select(pl.col(name).cast(kind) for name, kind in EXCERPT.items())
    return typed.sort("benchmark", "problem_id", "model", "effort", "sample", nulls_last=False)


def encoded(rows: pl.DataFrame) -> dict[str, Any]:
    """`EXCERPT` without its texts, by column, and its problems, for a script to read."""
    key = ["benchmark", "problem_id"]
    known = rows.unique(key, keep="first", maintain_order=True).with_row_index("problem")
    places = known.select("problem", *key)
    shown = rows.join(places, on=key, how="left", nulls_equal=True, maintain_order="left")
    labels: dict[str, dict[str, list[str | None]]] = {}
    labelled = rows.filter(pl.col("label_source").is_not_null()).unique(["problem_id", "effort"], maintain_order=True)
    for problem_id, effort, *label in labelled.select("problem_id", "effort", "label", "label_source").iter_rows():
        labels.setdefault(problem_id, {})[effort] = label
    problems = [
        {"id": row["problem_id"], "prompt": row["prompt"], "gold": row["gold"]}
        | ({"labels": labels[row["problem_id"]]} if row["benchmark"] is None and row["problem_id"] in labels else {})
        for row in known.iter_rows(named=True)
    ]
    columns = shown.rename({"completion_tokens": "tokens"}).select(COLUMNS)
    return {"columns": columns.to_dict(as_series=False), "problems": problems}


def texts(rows: pl.DataFrame, rows_per_block: int) -> Iterator[list[list[str | None]]]:
    """(reasoning, content) of the rows, in blocks."""
    for start in range(0, rows.height, rows_per_block):
        yield [list(row) for row in rows.slice(start, rows_per_block).select(TEXTS).iter_rows()]
