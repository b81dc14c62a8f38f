"""Rows to learn from."""

import polars as pl

SFT = pl.Schema(
    {
        "model": pl.String(),
        "effort": pl.String(),
        "problem_id": pl.String(),
        "sample": pl.Int16(),
        "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.String()})),
        "num_tokens": pl.Int32(),
    }
)
SFT_KEY = ["model", "effort", "problem_id", "sample"]
