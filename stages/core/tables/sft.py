"""Rows to learn from: messages, and their tokens with the student's tokenizer, of which the first `num_prompt` are
prompt and not trained."""

import polars as pl

SFT = pl.Schema(
    {
        "model": pl.String(),
        "effort": pl.String(),
        "problem_id": pl.String(),
        "sample": pl.Int16(),
        "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.String()})),
        "num_tokens": pl.Int32(),
        "input_ids": pl.List(pl.Int32()),
        "num_prompt": pl.Int32(),
    }
)
SFT_KEY = ["model", "effort", "problem_id", "sample"]
TOKENS = {name: SFT[name] for name in ("num_tokens", "input_ids", "num_prompt")}
