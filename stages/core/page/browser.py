"""The traces to read, in the form that the page's script reads."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from stages.core.page.excerpt import VERDICT_COLUMNS

COLUMNS = ("part", "model", "effort", "set", "problem", "sample", "status", "tokens", *VERDICT_COLUMNS, "fate")
TEXTS = ("reasoning", "content")


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
