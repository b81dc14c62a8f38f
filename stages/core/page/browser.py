"""The traces to read, in the form that the page's script reads."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from stages.core.page.excerpt import VERDICT_COLUMNS
from stages.core.page.wording import distinguishing
from stages.core.tables.answers import UNSCORED
from stages.core.tables.traces import UNANSWERED

COLUMNS = ("part", "model", "effort", "set", "problem", "sample", "status", "tokens", *VERDICT_COLUMNS, "fate", "right")
TEXTS = ("reasoning", "content")


def encoded(rows: pl.DataFrame, rows_per_block: int, students: Sequence[str]) -> dict[str, Any]:
    """`EXCERPT` without its texts, by column, and its problems, for a script to read.

    `right` is null where a trace is unscored, `exam` of a problem its benchmark, null of one to learn from, and `line`
    what distinguishes it from the others of its source or benchmark. `rows_per_block` is that of `texts`, and
    `students` the order in which the examined models are shown.
    """
    key = ["benchmark", "problem_id"]
    known = rows.unique(key, keep="first", maintain_order=True).with_row_index("problem")
    places = known.select("problem", *key)
    shown = rows.join(places, on=key, how="left", nulls_equal=True, maintain_order="left")
    verdict = pl.col("verdict").cast(pl.String)
    scored = ~verdict.is_in(UNSCORED) & ~pl.col("status").cast(pl.String).is_in(UNANSWERED)
    columns = shown.rename({"completion_tokens": "tokens"}).with_columns(
        right=pl.when(scored).then(verdict == "correct")
    )
    return {
        "columns": columns.select(COLUMNS).to_dict(as_series=False),
        "problems": _problems(known, _labels(rows)),
        "rows_per_block": rows_per_block,
        "students": list(students),
    }


def _problems(known: pl.DataFrame, labels: dict[str, dict[str, list[str | None]]]) -> list[dict[str, Any]]:
    """One entry for each row of `known`, in its order."""
    lines: dict[int, str] = {}
    for part in known.partition_by("benchmark", "set", maintain_order=True):
        texts = distinguishing(part["prompt"].fill_null("").to_list())
        lines |= dict(zip(part["problem"], texts, strict=True))
    return [
        {"id": row["problem_id"], "exam": row["benchmark"], "prompt": row["prompt"] or "", "gold": row["gold"]}
        | {"line": lines[row["problem"]]}
        | ({"labels": labels[row["problem_id"]]} if row["benchmark"] is None and row["problem_id"] in labels else {})
        for row in known.iter_rows(named=True)
    ]


def _labels(rows: pl.DataFrame) -> dict[str, dict[str, list[str | None]]]:
    """[label, what it comes from] by problem and part: a pool has a vote of its own."""
    labels: dict[str, dict[str, list[str | None]]] = {}
    labelled = rows.filter(pl.col("label_source").is_not_null()).unique(["problem_id", "part"], maintain_order=True)
    for problem_id, part, *label in labelled.select("problem_id", "part", "label", "label_source").iter_rows():
        labels.setdefault(problem_id, {})[part] = label
    return labels


def texts(rows: pl.DataFrame, rows_per_block: int) -> Iterator[list[list[str | None]]]:
    """(reasoning, content) of the rows, in blocks."""
    for start in range(0, rows.height, rows_per_block):
        yield [list(row) for row in rows.slice(start, rows_per_block).select(TEXTS).iter_rows()]
