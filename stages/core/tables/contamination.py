"""Problems that stand in an exam, with the evidence."""

import polars as pl

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
