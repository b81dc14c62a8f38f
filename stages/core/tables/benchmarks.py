"""The exams' questions."""

import polars as pl

BENCHMARKS = pl.Schema(
    {
        "benchmark": pl.String(),
        "problem_id": pl.String(),
        "topic": pl.String(),
        "prompt": pl.String(),
        "gold": pl.String(),
        "published": pl.Date(),
        "younger_than_sources": pl.Boolean(),
    }
)
BENCHMARKS_KEY = ["benchmark", "problem_id"]
GOLDS = pl.Schema({name: BENCHMARKS[name] for name in ("benchmark", "problem_id", "gold")})
"""What a judge reads of `BENCHMARKS`."""
