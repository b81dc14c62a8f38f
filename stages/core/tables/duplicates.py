"""Rows that were dropped for another row of the same problem."""

import polars as pl

DUPLICATE_RULES = ("same", "exact", "near")
DUPLICATES = pl.Schema(
    {
        "problem_id": pl.String(),
        "source": pl.String(),
        "row": pl.Int32(),
        "rule": pl.Enum(DUPLICATE_RULES),
        "similarity": pl.Float32(),
        "gold": pl.String(),
        "prompt": pl.String(),
        "kept_problem_id": pl.String(),
        "kept_source": pl.String(),
        "kept_gold": pl.String(),
        "conflict": pl.Boolean(),
    }
)
"""A row that was dropped for another. `conflict`: both have a gold that can be graded, and they are not the same."""
DUPLICATES_KEY = ["source", "row"]
