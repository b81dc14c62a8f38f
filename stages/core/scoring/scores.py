"""Counts and scores of a student on a problem."""

import polars as pl

SCORES = pl.Schema(
    {
        "student": pl.String(),
        "effort": pl.String(),
        "benchmark": pl.String(),
        "problem_id": pl.String(),
        **dict.fromkeys(("num_samples", "num_correct", "num_unscored"), pl.Int32()),
        **dict.fromkeys(("num_truncated", "num_no_answer", "num_before_cut", "num_looping"), pl.Int32()),
        "majority_correct": pl.Float64(),
        **dict.fromkeys(("mean_tokens", "mean_tokens_correct", "mean_tokens_wrong"), pl.Float64()),
        **dict.fromkeys(("avg_at", "pass_at", "maj_at"), pl.List(pl.Float64())),
    }
)
"""The lists have their value at k in place k - 1, for each k up to `num_samples`."""
SCORES_KEY = ["student", "effort", "benchmark", "problem_id"]
