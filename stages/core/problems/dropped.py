"""Tables of what `collect` leaves out: copies of other rows, and problems that stand in an exam."""

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

CONTAMINATION_RULES = ("exact", "unordered", "ngram", "masked", "embedding")
EVIDENCE = pl.Schema(
    {
        "problem_id": pl.String(),
        "benchmark": pl.String(),
        "benchmark_problem_id": pl.String(),
        "rule": pl.Enum(CONTAMINATION_RULES),
        "score": pl.Float32(),
        "prompt": pl.String(),
        "benchmark_prompt": pl.String(),
        "kept": pl.Boolean(),
    }
)
"""`score`: the share of the question's n-grams, the cosine of the embeddings, else 1. `kept`: kept by hand."""
EVIDENCE_KEY = ["problem_id", "benchmark", "benchmark_problem_id", "rule"]
