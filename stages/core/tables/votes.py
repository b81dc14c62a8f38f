"""The votes and the label of each problem."""

import polars as pl

VOTES = pl.Schema(
    {
        "problem_id": pl.String(),
        "num_traces": pl.Int32(),
        "num_answered": pl.Int32(),
        "answer": pl.String(),
        "votes": pl.Int32(),
        "share": pl.Float64(),
        "tied": pl.Boolean(),
        "histogram": pl.List(pl.Struct({"answer": pl.String(), "votes": pl.Int32()})),
        "label": pl.String(),
        "label_source": pl.Enum(("gold", "vote", "none")),
    }
)
VOTES_KEY = ["problem_id"]
LABELS = pl.Schema({name: VOTES[name] for name in ("problem_id", "label")})
"""What a judge reads of `VOTES`."""
CHANGED = pl.Schema(
    {
        "problem_id": pl.String(),
        "gold": pl.String(),
        "label": pl.String(),
        "votes": pl.Int32(),
        "num_answered": pl.Int32(),
        "share": pl.Float64(),
        "histogram": VOTES["histogram"],
    }
)
"""Problems whose label is not their gold, with the votes that changed it."""
CHANGED_KEY = ["problem_id"]
