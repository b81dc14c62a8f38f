"""What a model answered, one row a sample."""

import polars as pl

STATUSES = ("stop", "length", "refused", "failed")
UNANSWERED = ("refused", "failed")
"""Statuses of requests that no model answered."""
STOPS = ("fixed", "settled", "hopeless", "exhausted")
"""Why no more samples of a problem were drawn; see `adaptive`, and for exams `precision`. `fixed`: the number was."""
TRACES = pl.Schema(
    {
        "model": pl.String(),
        "effort": pl.String(),
        "benchmark": pl.String(),
        "problem_id": pl.String(),
        "sample": pl.Int16(),
        "query_key": pl.String(),
        "reasoning": pl.String(),
        "content": pl.String(),
        "status": pl.Enum(STATUSES),
        "prompt_tokens": pl.Int32(),
        "completion_tokens": pl.Int32(),
        "stopped": pl.Enum(STOPS),
        "reason": pl.String(),
    }
)
TRACES_KEY = ["model", "effort", "benchmark", "problem_id", "sample"]
